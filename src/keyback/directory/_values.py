"""Reading LDAP values: text, numbers, FILETIME, SIDs and GUIDs, as MS-DTYP and MS-ADTS lay them out."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

__all__ = ["NEVER", "Entry", "filetime", "sid_text"]

NEVER = 0x7FFFFFFFFFFFFFFF
"""The largest Int64: "never" in accountExpires and in expiry times."""

_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)


def filetime(value: int) -> datetime | None:
    """The moment of a FILETIME (100 ns since 1601, UTC). None for 0 and for moments no calendar holds."""
    if value <= 0:
        return None
    try:
        return _EPOCH + timedelta(microseconds=value // 10)
    except OverflowError:
        return None


def sid_text(data: bytes) -> str:
    """A binary SID (MS-DTYP 2.4.2.2) as text, such as S-1-5-21-1-2-3-500."""
    count = data[1]
    authority = int.from_bytes(data[2:8], "big")
    return "-".join(map(str, ("S", data[0], authority, *struct.unpack_from(f"<{count}I", data, 8))))


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a search. ``values`` has its names in lower case, since servers spell them as they like."""

    dn: str
    values: Mapping[str, Sequence[bytes]]

    @classmethod
    def of(cls, dn: str, values: Mapping[str, Sequence[bytes]]) -> Entry:
        """From what python-ldap returns."""
        return cls(dn, {name.lower(): found for name, found in values.items()})

    def raw(self, name: str) -> Sequence[bytes]:
        """All values, as bytes."""
        return self.values.get(name.lower(), ())

    def texts(self, name: str) -> tuple[str, ...]:
        """All values as text."""
        return tuple([value.decode("utf-8", "replace") for value in self.raw(name)])

    def text(self, name: str) -> str:
        """The first value, or ""."""
        values = self.raw(name)
        return values[0].decode("utf-8", "replace") if values else ""

    def number(self, name: str) -> int:
        """The first value, or 0."""
        values = self.raw(name)
        return int(values[0]) if values else 0

    def guid(self, name: str) -> UUID:
        """The first value. Raises LookupError where there is none."""
        return UUID(bytes_le=bytes(self.raw(name)[0]))

    def time(self, name: str) -> datetime:
        """A GeneralizedTime such as 20261122164038.0Z."""
        return datetime.strptime(self.text(name).split(".")[0].rstrip("Z"), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
