"""Reading groups with their direct members, however many a group has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

import ldap
from ldap.controls import RequestControl

from keyback.directory._values import Entry
from keyback.directory.connection import Connection
from keyback.directory.people import by_guid

__all__ = ["GROUPS", "DirectoryGroup", "groups", "groups_by_guid"]

GROUPS = "(&(objectCategory=group)(groupType:1.2.840.113556.1.4.803:=2147483648)(!(isCriticalSystemObject=TRUE)))"
"""Security groups (bit 0x80000000 of groupType) but those that Active Directory brings along."""

# LDAP_SERVER_EXTENDED_DN_OID (MS-ADTS 3.1.1.3.4.1.5) with option 1: names come as <GUID=…>;<SID=…>;DN, so that members
# need not be looked up one by one.
_EXTENDED_NAMES = RequestControl("1.2.840.113556.1.4.529", True, b"\x30\x03\x02\x01\x01")
_GUID = re.compile(rb"<GUID=([0-9A-Fa-f-]{36})>")
_RANGE = re.compile(r"member;range=\d+-(\d+|\*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DirectoryGroup:
    """``members``: objectGUIDs of direct members, ascending: people, groups, computers and whatever else."""

    guid: UUID
    name: str
    members: tuple[UUID, ...]


def groups(
    connection: Connection, bases: Sequence[str], *, filter: str = GROUPS, at_once: int | None = None
) -> Iterator[DirectoryGroup]:
    """Every group below the bases that the filter matches, once. ``at_once``: so many members an answer; else as many
    as the server gives. Raises DirectoryError."""
    guids = {
        entry.guid("objectGUID"): None for base in bases for entry in connection.paged(base, ("objectGUID",), filter)
    }
    yield from groups_by_guid(connection, bases, guids, filter=filter, at_once=at_once)


def groups_by_guid(
    connection: Connection,
    bases: Sequence[str],
    guids: Iterable[UUID],
    *,
    filter: str = GROUPS,
    at_once: int | None = None,
) -> Iterator[DirectoryGroup]:
    """Those of these objects that are groups in scope."""
    attribute = "member" if at_once is None else f"member;range=0-{at_once - 1}"
    attributes = ("objectGUID", "sAMAccountName", "cn", attribute)
    for entry in by_guid(connection, bases, guids, attributes, filter=filter, controls=[_EXTENDED_NAMES]):
        guid = entry.guid("objectGUID")
        name = entry.text("sAMAccountName") or entry.text("cn")
        yield DirectoryGroup(guid, name, tuple(sorted(_members(connection, guid, entry))))


def _members(connection: Connection, guid: UUID, entry: Entry) -> set[UUID]:
    """Active Directory gives 1,500 values at a time and names the rest ``member;range=…`` (MS-ADTS 3.1.1.3.1.3.3)."""
    found: set[UUID] = set()
    while True:
        name, end = _part(entry)
        found.update(UUID(part[1].decode()) for value in entry.raw(name) if (part := _GUID.search(value)))
        if end is None or not entry.raw(name):
            return found
        entry = connection.search(
            f"<GUID={guid}>", [f"member;range={end + 1}-*"], scope=ldap.SCOPE_BASE, controls=[_EXTENDED_NAMES]
        )[0]


def _part(entry: Entry) -> tuple[str, int | None]:
    """The attribute that has members in this answer, and the place of the last one where there are more."""
    for name in entry.values:
        found = _RANGE.fullmatch(name)
        if found:
            return name, None if found[1] == "*" else int(found[1])
    return "member", None
