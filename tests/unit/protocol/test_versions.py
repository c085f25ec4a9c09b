"""Builds one version of the protocol apart understand each other; what is older is out of date."""

import json
from typing import Annotated

import pytest

from keyback.protocol import versions
from keyback.protocol.errors import Malformed, OutOfDate
from keyback.protocol.messages import Message
from keyback.protocol.versions import Since, agreed, dump, spoken


class Inner(Message):
    old: int = 1
    new: Annotated[int, Since(2)] = 2


class Outer(Message):
    one: Inner = Inner()
    some: list[Inner] = [Inner(), Inner()]
    perhaps: Inner | None = Inner()
    newest: Annotated[list[Inner], Since(3)] = [Inner()]


@pytest.mark.parametrize(("version", "inner", "newest"), [(1, 1, False), (2, 2, False), (3, 2, True), (4, 2, True)])
def test_a_reader_of_an_older_version_gets_no_field_that_it_does_not_know(
    version: int, inner: int, newest: bool
) -> None:
    told = json.loads(dump(Outer(), version))
    for one in (told["one"], *told["some"], told["perhaps"]):
        assert len(one) == inner
    assert ("newest" in told) == newest


def test_whoever_reads_the_older_form_finds_the_defaults() -> None:
    assert Outer.model_validate_json(dump(Outer(), 1)) == Outer()


@pytest.mark.parametrize(("mine", "theirs", "both"), [(1, 1, 1), (2, 1, 1), (2, 3, 2), (5, 4, 4), (5, 99, 5)])
def test_both_use_the_lower_version(monkeypatch: pytest.MonkeyPatch, mine: int, theirs: int, both: int) -> None:
    monkeypatch.setattr(versions, "CURRENT", mine)
    assert agreed(theirs) == both


@pytest.mark.parametrize(("mine", "theirs"), [(1, 0), (2, 0), (3, 1), (9, 7)])
def test_more_than_one_version_behind_is_out_of_date(monkeypatch: pytest.MonkeyPatch, mine: int, theirs: int) -> None:
    monkeypatch.setattr(versions, "CURRENT", mine)
    with pytest.raises(OutOfDate):
        agreed(theirs)


def test_whoever_does_not_say_speaks_the_first_version() -> None:
    assert spoken(None) == 1


@pytest.mark.parametrize("header", ["", "one", "-1", "1.0", "²", "999999"])
def test_what_is_no_number_is_refused(header: str) -> None:
    with pytest.raises(Malformed):
        spoken(header)
