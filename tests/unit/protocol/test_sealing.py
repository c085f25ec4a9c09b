"""A box opens for the one thing it was made for, and for nothing else."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from keyback.protocol.errors import Malformed, Unopenable
from keyback.protocol.messages import Envelope, Flags, Operation
from keyback.protocol.sealing import (
    BOX_BYTES,
    Sealed,
    box_info,
    load_unseal_key,
    open_box,
    seal,
    unseal_key_bytes,
)

AGENT = uuid.UUID(int=7)
KEY = ec.generate_private_key(ec.SECP256R1())


def envelope(**changes: Any) -> Envelope:
    return Envelope(
        **{
            "request_id": uuid.UUID(int=1),
            "tracking_id": uuid.UUID(int=2),
            "organization_id": uuid.UUID(int=3),
            "forest_id": uuid.UUID(int=4),
            "object_guid": uuid.UUID(int=5),
            "operation": Operation.RESET,
            "initiator": "self",
            "deadline": 1_800_000_000,
            **changes,
        }
    )


def test_what_was_sealed_comes_out_again() -> None:
    info = box_info(envelope(), AGENT, "k1")
    assert open_box(seal(Sealed(new="Zwölf Öfen 😀"), KEY.public_key(), info), KEY, info) == Sealed(new="Zwölf Öfen 😀")


def test_old_and_new_password_travel_in_one_box() -> None:
    info = box_info(envelope(operation=Operation.CHANGE), AGENT, "k1")
    both = Sealed(new="new one", current="old one")
    assert open_box(seal(both, KEY.public_key(), info), KEY, info) == both


def test_what_a_page_shows_of_it_does_not_tell_the_account() -> None:
    one = box_info(envelope(), AGENT, "k1")
    assert envelope().object_guid.hex.encode() not in one
    assert str(envelope().object_guid).encode() not in one
    assert one != box_info(envelope(request_id=uuid.UUID(int=9)), AGENT, "k1")  # nor whether it is the same one


@pytest.mark.parametrize(
    "moved",
    [
        {"organization_id": uuid.UUID(int=9)},
        {"forest_id": uuid.UUID(int=9)},
        {"object_guid": uuid.UUID(int=9)},
        {"request_id": uuid.UUID(int=9)},
        {"operation": Operation.CHANGE},
        {"flags": Flags(unlock=True)},
        {"flags": Flags(must_change=True)},
        {"initiator": "admin:00000000-0000-0000-0000-000000000009"},
        {"deadline": 1_800_000_001},
    ],
    ids=lambda moved: next(iter(moved)),
)
def test_a_box_moved_to_another_request_does_not_open(moved: dict[str, Any]) -> None:
    box = seal(Sealed(new="Initial-Pa55word!"), KEY.public_key(), box_info(envelope(), AGENT, "k1"))
    with pytest.raises(Unopenable):
        open_box(box, KEY, box_info(envelope(**moved), AGENT, "k1"))


def test_a_box_of_another_agent_or_key_does_not_open() -> None:
    box = seal(Sealed(new="Initial-Pa55word!"), KEY.public_key(), box_info(envelope(), AGENT, "k1"))
    for agent, key_id in ((uuid.UUID(int=8), "k1"), (AGENT, "k2")):
        with pytest.raises(Unopenable):
            open_box(box, KEY, box_info(envelope(), agent, key_id))
    with pytest.raises(Unopenable):
        open_box(box, ec.generate_private_key(ec.SECP256R1()), box_info(envelope(), AGENT, "k1"))


def test_every_box_has_the_same_length_so_that_it_says_nothing_about_the_password() -> None:
    info = box_info(envelope(), AGENT, "k1")
    longest = Sealed(new="\u20ac" * 256, current="\u20ac" * 256)
    assert {len(seal(s, KEY.public_key(), info)) for s in (Sealed(new="a"), longest)} == {BOX_BYTES}


@pytest.mark.parametrize("password", ["x" * 257, "😀" * 129, "lone \ud800 surrogate"])
def test_a_password_that_no_directory_could_store_is_refused_before_sealing(password: str) -> None:
    with pytest.raises(Malformed) as refusal:
        seal(Sealed(new=password), KEY.public_key(), b"")
    assert password not in str(refusal.value)


def test_the_reason_for_not_opening_is_never_told() -> None:
    info = box_info(envelope(), AGENT, "k1")
    good = seal(Sealed(new="Initial-Pa55word!"), KEY.public_key(), info)
    texts = set()
    for bad in (b"", good[:-1], good[:64], b"\x04" + b"\0" * 64 + good[65:], good[:-1] + bytes([good[-1] ^ 1])):
        with pytest.raises(Unopenable) as refusal:
            open_box(bad, KEY, info)
        texts.add(str(refusal.value))
    assert len(texts) == 1


def test_neither_password_is_printed_with_its_container() -> None:
    assert "Initial" not in repr(Sealed(new="Initial-Pa55word!", current="Initial-Pa55word!"))


def test_a_public_key_survives_its_bytes_and_rubbish_is_refused() -> None:
    raw = unseal_key_bytes(KEY.public_key())
    assert len(raw) == 65 and unseal_key_bytes(load_unseal_key(raw)) == raw
    for rubbish in (b"", b"\x04" + b"\0" * 64, raw[:-1]):
        with pytest.raises(Malformed):
            load_unseal_key(rubbish)


@settings(max_examples=200)
@given(st.binary(max_size=5000))
def test_no_bytes_crash_the_opener(rubbish: bytes) -> None:
    with pytest.raises(Unopenable):
        open_box(rubbish, KEY, b"info")
