"""What has changed in a domain since one last asked: which objects, not what about them.

DirSync (MS-ADTS 3.1.1.3.4.1.3) with object security needs no right beyond reading, and its cookie is good on any
controller of the domain. Where a controller does not grant it, uSNChanged tells the same, but each controller counts
for itself. Neither shows deletions to an account that may not see deleted objects, and neither names who left a scope
that changed above them: whoever asks reads the objects again, and now and then all that are in scope.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import ldap
from ldap.controls import KNOWN_RESPONSE_CONTROLS, RequestControl, ResponseControl
from pyasn1.codec.ber import decoder, encoder
from pyasn1.type import namedtype, univ

from keyback.directory._values import Entry
from keyback.directory.connection import Connection
from keyback.directory.errors import ControlMissing, NotFound, PermissionMissing
from keyback.directory.people import by_guid

__all__ = [
    "NOT_GRANTED",
    "Changes",
    "attributes_in",
    "changes",
    "changes_by_usn",
    "has_containers",
    "mark",
    "sees_deletions",
    "usn",
]

NOT_GRANTED = (PermissionMissing, ControlMissing)
"""What a controller says that does not give DirSync to this account."""

_OID = "1.2.840.113556.1.4.841"
_OBJECT_SECURITY = 1
_MOST_BYTES = 2**20
_SHOW_DELETED = RequestControl("1.2.840.113556.1.4.417", True)
_ATTRIBUTE = re.compile(r"\(\s*([A-Za-z][A-Za-z0-9-]*)(?:;[\w-]+)?(?::[^=()]*)?\s*[~<>]?=")
_NOBODY = "(!(objectClass=*))"
_CONTAINERS = "(|(objectClass=organizationalUnit)(objectClass=container))"
_OF_INTEREST = f"(|(objectClass=user)(objectClass=group){_CONTAINERS})"


class _Value(univ.Sequence):
    componentType = namedtype.NamedTypes(
        namedtype.NamedType("flags", univ.Integer()),
        namedtype.NamedType("size", univ.Integer()),
        namedtype.NamedType("cookie", univ.OctetString()),
    )


class _Answer(ResponseControl):
    """``more``: there is more to be had with the new cookie at once."""

    controlType = _OID

    def decodeControlValue(self, encoded: bytes) -> None:
        value, _ = decoder.decode(encoded, asn1Spec=_Value())
        self.more = bool(int(value["flags"]))
        self.cookie = bytes(value["cookie"])


KNOWN_RESPONSE_CONTROLS[_OID] = _Answer


@dataclass(frozen=True, slots=True)
class Changes:
    """``objects``: made, changed, moved or renamed. ``deleted``: as far as they are to be seen. ``mark``: from where to
    ask the next time."""

    objects: frozenset[UUID]
    deleted: frozenset[UUID]
    mark: bytes


def mark(connection: Connection) -> bytes:
    """The place of *now*. Raises one of NOT_GRANTED, or another DirectoryError."""
    return _asked(connection, b"", ("objectGUID",), _NOBODY).mark


def changes(connection: Connection, since: bytes, attributes: Sequence[str]) -> Changes:
    """The people, groups and containers that changed in one of these attributes, in name or in place, since the mark.
    Raises one of NOT_GRANTED, or another DirectoryError: for a mark that this controller does not understand too."""
    return _asked(connection, since, (*attributes, "name", "member", "isDeleted"), _OF_INTEREST)


def attributes_in(filter: str) -> tuple[str, ...]:
    """The attributes that a search filter (RFC 4515) asks about: a change in one may move somebody in or out."""
    return tuple(dict.fromkeys(_ATTRIBUTE.findall(filter)))


def has_containers(connection: Connection, guids: Sequence[UUID]) -> bool:
    """Whether one of these objects may have others below it."""
    base = (connection.root.default_naming_context,)
    return any(True for _ in by_guid(connection, base, guids, ("objectGUID",), filter=_CONTAINERS))


def usn(connection: Connection) -> int:
    """The number that the next change on this very controller will exceed."""
    return connection.search("", ["highestCommittedUSN"])[0].number("highestCommittedUSN")


def changes_by_usn(connection: Connection, since: int) -> Changes:
    """The same by uSNChanged, which any change of an object raises. ``mark``: a number in decimal digits."""
    until = usn(connection)
    found = list(
        connection.paged(
            connection.root.default_naming_context,
            ("objectGUID", "isDeleted"),
            f"(&(uSNChanged>={since + 1}){_OF_INTEREST})",
            controls=[_SHOW_DELETED],
        )
    )
    return _sorted(found, str(until).encode())


def sees_deletions(connection: Connection) -> bool:
    """Whether the changes that this account is told of include deletions: whether it may read where the deleted lie.
    Windows hides that place from others; Samba shows it, and nothing of it."""
    place = f"CN=Deleted Objects,{connection.root.default_naming_context}"
    try:
        found = connection.search(place, ["objectClass"], controls=[_SHOW_DELETED])
        return any(entry.texts("objectClass") for entry in found)
    except (NotFound, PermissionMissing):
        return False


def _asked(connection: Connection, since: bytes, attributes: Sequence[str], filter: str) -> Changes:
    found: list[Entry] = []
    cookie, more = since, True
    while more:
        value = _Value()
        value["flags"], value["size"], value["cookie"] = _OBJECT_SECURITY, _MOST_BYTES, cookie
        answered: list[Any] = []
        found += connection.stream(
            connection.root.default_naming_context,
            ("objectGUID", *attributes),
            scope=ldap.SCOPE_SUBTREE,
            filter=filter,
            controls=[RequestControl(_OID, True, encoder.encode(value))],
            answered=answered,
        )
        answer = next((control for control in answered if isinstance(control, _Answer)), None)
        if answer is None:
            raise ControlMissing("the controller ignored the DirSync control")
        cookie, more = answer.cookie, answer.more
    return _sorted(found, cookie)


def _sorted(found: Sequence[Entry], place: bytes) -> Changes:
    deleted = {entry.guid("objectGUID") for entry in found if entry.text("isDeleted") == "TRUE"}
    objects = {entry.guid("objectGUID") for entry in found}
    return Changes(frozenset(objects - deleted), frozenset(deleted), place)
