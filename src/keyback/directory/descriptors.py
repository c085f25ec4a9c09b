"""Discretionary access lists of directory objects: parsed, and asked whether somebody holds a right.

Layout: MS-DTYP 2.4.4 to 2.4.6. Evaluation: MS-ADTS 5.1.3.3.2 (property writes) and 5.1.3.3.4 (control access
rights). Read here with `struct`, since adapting a published parser takes as many lines and ten times as long.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from keyback.directory._values import sid_text

__all__ = ["Ace", "Dacl"]

CHANGE_PASSWORD = UUID("ab721a53-1e2f-11d0-9819-00aa0040529b")
EVERYONE = "S-1-1-0"
SELF = "S-1-5-10"
_OWNER_RIGHTS = "S-1-3-4"
_AUTHENTICATED_USERS = "S-1-5-11"

WRITE_PROPERTY = 0x20
CONTROL_ACCESS = 0x100
WRITE_DACL = 0x40000
WRITE_OWNER = 0x80000

_ALLOW, _DENY, _ALLOW_OBJECT, _DENY_OBJECT = 0, 1, 5, 6  # other types audit, or carry conditions
_INHERIT_ONLY = 0x08  # meant for the children, says nothing about this object
_INHERITED = 0x10
_BEQUEATHED = 0x02  # to containers, as every object of a directory is
_FLAG_NAMES = {0x1: "OI", 0x2: "CI", 0x4: "NP", _INHERIT_ONLY: "IO", _INHERITED: "ID"}
_PROTECTED = 0x1000  # of the descriptor's control: nothing is inherited from above

# Generic rights as a directory maps them (MS-ADTS 5.1.3.2). It stores most entries mapped already, but not all.
_GENERIC_ALL, _ALL = 0x10000000, 0xF01FF
_GENERIC_WRITE, _WRITE = 0x40000000, 0x20028


@dataclass(frozen=True, slots=True)
class Ace:
    """One entry that counts for the object itself. ``subject`` is a right, attribute, property set or class; None for
    all. ``flags`` as stored; ``heirs``: the class of objects that inherit it, None for all."""

    allows: bool
    mask: int
    subject: UUID | None
    sid: str
    flags: int = 0
    heirs: UUID | None = None

    @property
    def inherited(self) -> bool:
        """Whether it comes from above, and cannot be removed here."""
        return bool(self.flags & _INHERITED)

    @property
    def sddl(self) -> str:
        """As the security descriptor definition language writes it (MS-DTYP 2.5.1.1)."""
        kind = ("OA" if self.allows else "OD") if self.subject or self.heirs else ("A" if self.allows else "D")
        flags = "".join(name for bit, name in _FLAG_NAMES.items() if self.flags & bit)
        return f"({kind};{flags};{self.mask:#x};{self.subject or ''};{self.heirs or ''};{self.sid})"


@dataclass(frozen=True, slots=True)
class Dacl:
    """The entries in their order, which decides, and the owner's SID ("" where it was not read).

    ``protected``: what the objects above pass on does not arrive here ("inheritance is off"). ``bequeathed``: the
    object's own entries for those below, whether or not they count for itself.
    """

    owner: str
    entries: tuple[Ace, ...]
    protected: bool = False
    bequeathed: tuple[Ace, ...] = ()

    @classmethod
    def parse(cls, descriptor: bytes) -> Dacl:
        """Of a self-relative security descriptor. Raises ValueError where it is cut off."""
        try:
            control, owner, _, _, offset = struct.unpack_from("<H4I", descriptor, 2)
            entries = tuple(_entries(descriptor, offset)) if offset else ()
            return cls(
                owner=sid_text(descriptor[owner:]) if owner else "",
                entries=tuple(entry for entry in entries if not entry.flags & _INHERIT_ONLY),
                protected=bool(control & _PROTECTED),
                bequeathed=tuple(entry for entry in entries if entry.flags & _BEQUEATHED and not entry.inherited),
            )
        except (struct.error, IndexError) as error:
            raise ValueError("the security descriptor is cut off") from error

    def forbids_change(self) -> bool:
        """Whether "user cannot change password" is set: Change Password denied to both Everyone and SELF."""
        denied = {
            entry.sid
            for entry in self.entries
            if not entry.allows and entry.mask & CONTROL_ACCESS and entry.subject == CHANGE_PASSWORD
        }
        return {EVERYONE, SELF} <= denied

    def grants(self, token: frozenset[str], own: str, mask: int, *subjects: UUID) -> bool:
        """Whether who holds ``token`` (their SIDs) has the right ``mask``, one bit, on one of ``subjects``.

        ``own`` is the SID of the object itself, "" if it has none. ``subjects``: the right or the attribute, the
        property set that contains it, and the class of the object. The first entry that speaks of it decides.
        Owner Rights count as on Windows; Samba (4.24, measured) passes over such entries here.
        """
        entry = self.deciding(token, own, mask, *subjects)
        return entry is not None and entry.allows

    def deciding(self, token: frozenset[str], own: str, mask: int, *subjects: UUID) -> Ace | None:
        """The entry that decides what `grants` answers; None where no entry speaks of it, which denies it."""
        held = token | {EVERYONE, _AUTHENTICATED_USERS}
        if own in token:
            held |= {SELF}
        if self.owner in token:
            held |= {_OWNER_RIGHTS}
        for entry in self.entries:
            if entry.mask & mask and entry.sid in held and (entry.subject is None or entry.subject in subjects):
                return entry
        return None


def _entries(descriptor: bytes, offset: int) -> Iterator[Ace]:
    (count,) = struct.unpack_from("<H", descriptor, offset + 4)
    position = offset + 8
    for _ in range(count):
        kind, flags, size, mask = struct.unpack_from("<BBHI", descriptor, position)
        body = position + 8
        subject = heirs = None
        if kind in (_ALLOW_OBJECT, _DENY_OBJECT):
            (present,) = struct.unpack_from("<I", descriptor, body)
            body += 4
            if present & 1:
                subject = UUID(bytes_le=descriptor[body : body + 16])
                body += 16
            if present & 2:
                heirs = UUID(bytes_le=descriptor[body : body + 16])
                body += 16
        if kind in (_ALLOW, _DENY, _ALLOW_OBJECT, _DENY_OBJECT):
            allows = kind in (_ALLOW, _ALLOW_OBJECT)
            yield Ace(allows, _mapped(mask), subject, sid_text(descriptor[body:]), flags, heirs)
        position += size


def _mapped(mask: int) -> int:
    if mask & _GENERIC_ALL:
        mask |= _ALL
    if mask & _GENERIC_WRITE:
        mask |= _WRITE
    return mask
