"""Messages refuse what is not of their form, and say where without repeating what stood there."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyback.protocol.encoding import b64decode, b64encode, canonical_json
from keyback.protocol.errors import Malformed
from keyback.protocol.messages import Envelope, Outcome, Poll, parse
from keyback.protocol.outcomes import SUCCESSES, OutcomeCode, sspr_code

POLL = {"boot_id": str(uuid.UUID(int=1)), "wait_s": 50, "capacity": 4}


def test_a_message_survives_its_bytes() -> None:
    assert parse(Poll, json.dumps(POLL).encode()).capacity == 4


@pytest.mark.parametrize(
    "change",
    [
        {"wait_s": 51},
        {"wait_s": -1},
        {"wait_s": "fifty"},
        {"wait_s": [50]},
        {"capacity": 0},
        {"capacity": None},
        {"boot_id": "no uuid"},
        {"extra": 1},
    ],
    ids=str,
)
def test_a_message_out_of_bounds_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        parse(Poll, json.dumps({**POLL, **change}).encode())


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b"\0", b"[" * 100_000])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        parse(Poll, body)


def test_a_refusal_names_the_field_and_never_the_value() -> None:
    with pytest.raises(Malformed) as refusal:
        parse(Poll, json.dumps({**POLL, "capacity": "canary-Pa55word"}).encode())
    assert "capacity" in str(refusal.value) and "canary" not in str(refusal.value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda c: st.lists(c) | st.dictionaries(st.text(), c)
    )
)
def test_no_json_crashes_the_parser(value: object) -> None:
    with pytest.raises(Malformed):
        parse(Outcome, json.dumps(value).encode())


def test_an_envelope_has_one_spelling() -> None:
    envelope = Envelope(
        request_id=uuid.UUID(int=1),
        tracking_id=uuid.UUID(int=2),
        organization_id=uuid.UUID(int=3),
        forest_id=uuid.UUID(int=4),
        object_guid=uuid.UUID(int=5),
        operation="reset",
        initiator="self",
        deadline=1,
    )
    assert parse(Envelope, envelope.to_bytes()).to_bytes() == envelope.to_bytes()


@pytest.mark.parametrize("text", ["QQ==", "QQ=", "Q", "QR", "Q Q", "+/+/", "ü"])
def test_base64_has_one_spelling(text: str) -> None:
    with pytest.raises(Malformed):
        b64decode(text)


@given(st.binary())
def test_base64_survives_the_way_there_and_back(data: bytes) -> None:
    assert b64decode(b64encode(data)) == data


def test_canonical_json_sorts_and_stays_ascii() -> None:
    assert canonical_json({"b": "é", "a": [1, None, True]}) == b'{"a":[1,null,true],"b":"\\u00e9"}'


def test_every_outcome_but_success_has_a_support_code() -> None:
    assert {code for code in OutcomeCode if sspr_code(code) is None} == SUCCESSES
    assert sspr_code(OutcomeCode.PROTECTED) == "SSPR_0029" and sspr_code(OutcomeCode.UNREACHABLE) == "SSPR_0030"
