"""What of people and groups is pushed, and how a run is cut into pushes."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from keyback.agent.delivery import batches, group_batches, record, spans
from keyback.directory import DirectoryGroup, DirectoryPerson

GUID = UUID("0b5d7a0e-5f1c-4d0a-9a35-0f6b1c2d3e4f")


def person(**changed: object) -> DirectoryPerson:
    values: dict[str, object] = {
        "guid": GUID,
        "dn": "CN=Ada,OU=People",
        "upn": "Ada@corp.example.test",
        "sam": "Ada",
        "user_id": "Ada@corp.example.test",
        "spellings": ("corp\\ada", "ada@mail.example.test"),
        "mails": ("ada@mail.example.test", "ada@home.example"),
        "display_name": "Ada Lovelace",
        "given_name": "Ada",
        "surname": "Lovelace",
        "office_phone": "+44 20 1",
        "mobile": "+44 7 2",
        "enabled": True,
        "anchor": "AAAA",
    }
    return DirectoryPerson(**(values | changed))  # type: ignore[arg-type]  # a table of mixed values


def test_every_spelling_and_each_mail_once() -> None:
    sent = record(person())
    assert sent.object_guid == GUID
    assert sent.spellings == ["corp\\ada", "ada@mail.example.test", "ada"]
    assert sent.mail == ["ada@mail.example.test", "ada@home.example"]
    assert (sent.mobile, sent.office_phone) == ("+44 7 2", "+44 20 1")


@pytest.mark.parametrize(
    "changed",
    [
        {"mails": ("x" * 300,)},
        {"mails": tuple(f"m{n}@example.test" for n in range(50))},
        {"spellings": tuple(f"s{n}" for n in range(50))},
        {"display_name": "x" * 1000, "given_name": "x" * 1000},
        {"mobile": "1" * 1000},
        {"user_id": "x" * 1000},
    ],
)
def test_whatever_a_directory_holds_makes_a_record(changed: dict[str, object]) -> None:
    record(person(**changed))


def test_an_address_that_is_too_long_is_left_out_and_not_cut() -> None:
    assert record(person(mails=("x" * 300 + "@example.test",))).mail == []


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (1, [1]), (5, [5]), (6, [5, 1]), (10, [5, 5]), (11, [5, 5, 1])])
def test_batches_are_full_but_for_the_last(count: int, sizes: list[int]) -> None:
    assert [len(batch) for batch in batches([uuid4() for _ in range(count)], 5)] == sizes


@pytest.mark.parametrize("count", [0, 1, 4, 5, 6, 10, 11])
def test_spans_have_no_gap_between_them_and_no_end(count: int) -> None:
    guids = sorted(uuid4().bytes for _ in range(count))
    found = list(spans(guids, 5))
    assert [guid.bytes for span in found for guid in span.objects] == guids
    assert found[0].after is None
    assert found[-1].until is None
    assert [span.after for span in found[1:]] == [span.until for span in found[:-1]]
    assert all(span.until == span.objects[-1] for span in found[:-1])


def test_a_large_group_comes_in_several_pushes_and_small_ones_together() -> None:
    large = DirectoryGroup(uuid4(), "large", tuple(sorted(uuid4() for _ in range(45_000))))
    small = [DirectoryGroup(uuid4(), "small", (uuid4(),)) for _ in range(250)]
    pushes = list(group_batches([large, *small]))
    told = [one for push in pushes for one in push if one.object_guid == large.guid]
    assert [guid for one in told for guid in one.members.objects] == list(large.members)
    assert all(sum(len(one.members.objects) for one in push) <= 20_000 and len(push) <= 200 for push in pushes)
    assert len(pushes) <= 5
