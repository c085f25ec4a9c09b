"""Just enough of a security descriptor (MS-DTYP 2.4) to add and remove entries of a DACL.

Entries that were there are kept as the bytes they are; the lab reads none of them.
"""

from __future__ import annotations

import struct
import uuid
from dataclasses import dataclass, replace
from enum import IntFlag

_PRESENT, _PROTECTED, _SELF_RELATIVE = 0x0004, 0x1000, 0x8000
_HEADER = struct.Struct("<BBHIIII")
_ACL = struct.Struct("<BBHHH")
_ACE = struct.Struct("<BBHI")
_ALLOW, _DENY, _ALLOW_OBJECT, _DENY_OBJECT = 0x00, 0x01, 0x05, 0x06

EVERYONE = "S-1-1-0"
SELF = "S-1-5-10"


class Access(IntFlag):
    """Bits of an access mask."""

    READ_PROPERTY = 0x10
    WRITE_PROPERTY = 0x20
    CONTROL_ACCESS = 0x100
    GENERIC_READ = 0x20094  # as the directory stores it: list, list object, read property, read control


class Inherit(IntFlag):
    """Flags of an entry; ``BELOW`` is a child-inheritable entry that does not apply where it stands."""

    HERE = 0x0
    HERE_AND_BELOW = 0x2
    BELOW = 0xA
    INHERITED = 0x10


@dataclass(frozen=True, slots=True)
class Entry:
    """One access control entry.

    ``right`` is the GUID of an attribute, property set or extended right; ``applies_to`` that of the class of
    objects that inherit the entry.
    """

    sid: str
    access: Access
    allow: bool = True
    inherit: Inherit = Inherit.HERE
    right: str | None = None
    applies_to: str | None = None

    def pack(self) -> bytes:
        body = sid_bytes(self.sid)
        if self.right or self.applies_to:
            kind = _ALLOW_OBJECT if self.allow else _DENY_OBJECT
            guids = [uuid.UUID(guid).bytes_le for guid in (self.right, self.applies_to) if guid]
            present = bool(self.right) | bool(self.applies_to) << 1
            body = struct.pack("<I", present) + b"".join(guids) + body
        else:
            kind = _ALLOW if self.allow else _DENY
        return _ACE.pack(kind, self.inherit, _ACE.size + len(body), self.access) + body


@dataclass(frozen=True, slots=True)
class Dacl:
    """The DACL of a descriptor: control bits and entries in their order."""

    control: int
    entries: tuple[bytes, ...]

    @classmethod
    def parse(cls, descriptor: bytes) -> Dacl:
        """Read a self-relative descriptor, as nTSecurityDescriptor holds it."""
        _, _, control, _, _, _, start = _HEADER.unpack_from(descriptor)
        *_, count, _ = _ACL.unpack_from(descriptor, start)
        entries, at = [], start + _ACL.size
        for _ in range(count):
            size = _ACE.unpack_from(descriptor, at)[2]
            entries.append(descriptor[at : at + size])
            at += size
        return cls(control, tuple(entries))

    def pack(self) -> bytes:
        """A descriptor with this DACL alone, to be written with the SD flags control set to DACL."""
        body = b"".join(self.entries)
        acl = _ACL.pack(4, 0, _ACL.size + len(body), len(self.entries), 0)  # revision 4: object entries
        control = self.control & _PROTECTED | _PRESENT | _SELF_RELATIVE
        return _HEADER.pack(1, 0, control, 0, 0, 0, _HEADER.size) + acl + body

    def adding(self, *entries: Entry) -> Dacl:
        """With ``entries``: denials first, as the order of evaluation wants it."""
        without = self.removing(*entries)
        first = tuple(entry.pack() for entry in entries if not entry.allow)
        allowed = tuple(entry.pack() for entry in entries if entry.allow)
        return replace(without, entries=first + allowed + without.entries)

    def removing(self, *entries: Entry) -> Dacl:
        gone = {entry.pack() for entry in entries}
        return replace(self, entries=tuple(entry for entry in self.entries if entry not in gone))

    def forgetting(self, sid: str) -> Dacl:
        """Without any entry of its own for this account, however it came there."""
        end = sid_bytes(sid)
        kept = tuple(entry for entry in self.entries if entry[1] & Inherit.INHERITED or not entry.endswith(end))
        return replace(self, entries=kept)

    def without_inheritance(self) -> Dacl:
        """Cut off from the parent, as Active Directory does to protected accounts."""
        own = tuple(entry for entry in self.entries if not entry[1] & Inherit.INHERITED)
        return Dacl(self.control | _PROTECTED, own)

    def with_inheritance(self) -> Dacl:
        return replace(self, control=self.control & ~_PROTECTED)


def sid_bytes(sid: str) -> bytes:
    """``S-1-5-…`` in the form the directory stores."""
    revision, authority, *parts = (int(part) for part in sid.split("-")[1:])
    return struct.pack("BB", revision, len(parts)) + authority.to_bytes(6) + struct.pack(f"<{len(parts)}I", *parts)


def sid_text(raw: bytes) -> str:
    """The inverse of :func:`sid_bytes`."""
    parts = struct.unpack(f"<{raw[1]}I", raw[8:])
    return "-".join(["S", str(raw[0]), str(int.from_bytes(raw[2:8])), *map(str, parts)])
