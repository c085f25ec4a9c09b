"""Access lists are judged as MS-ADTS says: in order, by subject, for whoever holds the token."""

from __future__ import annotations

import struct
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyback.directory.descriptors import CONTROL_ACCESS, WRITE_PROPERTY, Ace, Dacl

RESET = UUID("00299570-246d-11d0-a768-00aa006e0529")
CHANGE = UUID("ab721a53-1e2f-11d0-9819-00aa0040529b")
LAST_SET = UUID("bf967a0a-0de6-11d0-a285-00aa003049e2")
RESTRICTIONS = UUID("4c164200-20c0-11d0-a768-00aa006e0529")

ME, GROUP, STRANGER, PERSON = "S-1-5-21-1-1-1-1108", "S-1-5-21-1-1-1-2000", "S-1-5-21-1-1-1-3000", "S-1-5-21-1-1-1-4000"
TOKEN = frozenset({ME, GROUP})


def allow(sid: str, subject: UUID | None = RESET, mask: int = CONTROL_ACCESS) -> Ace:
    return Ace(True, mask, subject, sid)


def deny(sid: str, subject: UUID | None = RESET, mask: int = CONTROL_ACCESS) -> Ace:
    return Ace(False, mask, subject, sid)


@pytest.mark.parametrize(
    ("entries", "granted"),
    [
        ([], False),
        ([allow(ME)], True),
        ([allow(GROUP)], True),
        ([allow(STRANGER)], False),
        ([allow("S-1-1-0")], True),
        ([allow("S-1-5-11")], True),
        ([allow("S-1-5-10")], False),
        ([allow(ME, None)], True),
        ([allow(ME, CHANGE)], False),
        ([allow(ME, None, WRITE_PROPERTY)], False),
        ([deny(ME), allow(ME)], False),
        ([allow(ME), deny(ME)], True),
        ([deny(GROUP, None), allow(ME)], False),
        ([deny(STRANGER), allow(ME)], True),
        ([deny(ME, CHANGE), allow(ME)], True),
    ],
)
def test_the_first_entry_that_speaks_of_the_right_decides(entries: list[Ace], granted: bool) -> None:
    assert Dacl("", tuple(entries)).grants(TOKEN, PERSON, CONTROL_ACCESS, RESET) is granted


def test_a_property_set_covers_its_attributes() -> None:
    dacl = Dacl("", (allow(ME, RESTRICTIONS, WRITE_PROPERTY),))
    assert dacl.grants(TOKEN, PERSON, WRITE_PROPERTY, LAST_SET, RESTRICTIONS)
    assert not dacl.grants(TOKEN, PERSON, WRITE_PROPERTY, RESET)


def test_self_counts_for_the_object_itself_only() -> None:
    dacl = Dacl("", (allow("S-1-5-10"),))
    assert dacl.grants(TOKEN, ME, CONTROL_ACCESS, RESET)
    assert not dacl.grants(TOKEN, PERSON, CONTROL_ACCESS, RESET)


def test_owner_rights_count_for_the_owner() -> None:
    dacl = Dacl(ME, (deny("S-1-3-4"), allow(ME)))
    assert not dacl.grants(TOKEN, PERSON, CONTROL_ACCESS, RESET)
    assert Dacl(STRANGER, dacl.entries).grants(TOKEN, PERSON, CONTROL_ACCESS, RESET)


@pytest.mark.parametrize(
    ("sids", "forbidden"),
    [
        (["S-1-1-0", "S-1-5-10"], True),
        (["S-1-1-0"], False),
        (["S-1-5-10"], False),
        ([ME, "S-1-5-10"], False),
    ],
)
def test_cannot_change_needs_both_denials(sids: list[str], forbidden: bool) -> None:
    assert Dacl("", tuple(deny(sid, CHANGE) for sid in sids)).forbids_change() is forbidden


def packed_sid(*authorities: int) -> bytes:
    return struct.pack(f"<BB6s{len(authorities)}I", 1, len(authorities), (5).to_bytes(6, "big"), *authorities)


def packed(*entries: bytes) -> bytes:
    body = b"".join(entries)
    owner = packed_sid(32, 544)
    header = struct.pack("<BBHIIII", 1, 0, 0x8004, 20, 0, 0, 20 + len(owner))
    return header + owner + struct.pack("<BBHHH", 4, 0, 8 + len(body), len(entries), 0) + body


def packed_ace(kind: int, flags: int, rest: bytes) -> bytes:
    return struct.pack("<BBHI", kind, flags, 8 + len(rest), CONTROL_ACCESS) + rest


def test_the_bytes_of_a_descriptor_are_read() -> None:
    sid = packed_sid(21, 1, 1, 1, 1108)
    descriptor = packed(
        packed_ace(6, 0, struct.pack("<I", 1) + RESET.bytes_le + sid),
        packed_ace(5, 0x10, struct.pack("<I", 3) + RESET.bytes_le + CHANGE.bytes_le + sid),
        packed_ace(5, 0x0A, struct.pack("<I", 1) + RESET.bytes_le + sid),  # for children only
        packed_ace(2, 0, sid),  # an audit entry
        packed_ace(0, 0, sid),
    )
    dacl = Dacl.parse(descriptor)
    assert dacl.owner == "S-1-5-32-544"
    assert dacl.entries == (deny(ME), replace(allow(ME), flags=0x10, heirs=CHANGE), allow(ME, None))
    assert [entry.inherited for entry in dacl.entries] == [False, True, False]
    assert dacl.entries[1].sddl == f"(OA;ID;0x100;{RESET};{CHANGE};{ME})"
    assert not dacl.protected


@given(st.binary(max_size=200))
def test_damaged_bytes_are_refused_or_read_but_never_crash(data: bytes) -> None:
    try:
        Dacl.parse(data)
    except ValueError as error:
        assert str(error) == "the security descriptor is cut off"
