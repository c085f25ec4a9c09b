"""Reading the people of a directory for synchronisation, one by one, however many there are."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import ldap
import ldap.dn
from ldap.controls import RequestControl
from ldap.filter import filter_format

from keyback.directory._values import Entry
from keyback.directory.accounts import DISABLED
from keyback.directory.connection import PAGE_SIZE, Connection
from keyback.directory.errors import NotFound

__all__ = [
    "PEOPLE",
    "Anchor",
    "Contacts",
    "DirectoryPerson",
    "Domain",
    "Shape",
    "by_guid",
    "in_scope",
    "is_name",
    "people",
    "people_by_guid",
    "people_called",
    "read_domain",
]

_GUIDS_AT_ONCE = 50

PEOPLE = "(&(objectCategory=person)(objectClass=user)(userAccountControl:1.2.840.113556.1.4.803:=512))"
"""Normal accounts (bit 0x200): no computers, trusts, group managed accounts or contacts."""

Anchor = Literal["objectGUID", "mS-DS-ConsistencyGuid"]

_NAMES = (
    "objectGUID",
    "sAMAccountName",
    "userPrincipalName",
    "displayName",
    "givenName",
    "sn",
    "mail",
    "userAccountControl",
)


@dataclass(frozen=True, slots=True)
class Contacts:
    """The attributes that tell how to reach a person, in the order in which they are looked at: all mail addresses
    count, and of the telephones the first there is."""

    mail: tuple[str, ...] = ("mail", "otherMailbox")
    mobile: tuple[str, ...] = ("mobile",)
    office_phone: tuple[str, ...] = ("telephoneNumber",)


@dataclass(frozen=True, slots=True)
class Shape:
    """What is read of people: the attribute that is their anchor, and the table of contact attributes."""

    anchor: Anchor = "objectGUID"
    contacts: Contacts = Contacts()

    @property
    def attributes(self) -> tuple[str, ...]:
        """Every attribute that a person is made of, once."""
        contacts = (*self.contacts.mail, *self.contacts.mobile, *self.contacts.office_phone)
        return tuple(dict.fromkeys((*_NAMES, self.anchor, *contacts)))


@dataclass(frozen=True, slots=True)
class Domain:
    """One domain. ``upn_suffixes``: the alternative endings of user IDs that the forest allows."""

    dns_name: str
    netbios_name: str
    dn: str
    upn_suffixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DirectoryPerson:
    """One person as the directory has them. Missing texts are "".

    ``user_id`` is the userPrincipalName, or the name that signs in without one. ``spellings``: every other way to write
    the account's user ID, in lower case. ``anchor``: base64 of the anchor attribute, that of objectGUID where the
    chosen one is empty.
    """

    guid: UUID
    dn: str
    upn: str | None
    sam: str
    user_id: str
    spellings: tuple[str, ...]
    mails: tuple[str, ...]
    mobile: str
    office_phone: str
    display_name: str
    given_name: str
    surname: str
    enabled: bool
    anchor: str


def is_name(text: str) -> bool:
    """Whether this is a distinguished name as RFC 4514 writes them, and not the empty one."""
    return bool(text.strip()) and bool(ldap.dn.is_dn(text))


def read_domain(connection: Connection) -> Domain:
    """The domain that the server belongs to. Raises NotFound if its partition is not to be seen."""
    root = connection.root
    partitions = f"CN=Partitions,{root.configuration_naming_context}"
    found = connection.search(
        partitions,
        ["nETBIOSName", "dnsRoot"],
        scope=ldap.SCOPE_ONELEVEL,
        filter=filter_format("(&(objectClass=crossRef)(nCName=%s))", (root.default_naming_context,)),
    )
    if not found:
        raise NotFound(f"no partition {root.default_naming_context}")
    return Domain(
        dns_name=found[0].text("dnsRoot"),
        netbios_name=found[0].text("nETBIOSName"),
        dn=root.default_naming_context,
        upn_suffixes=connection.search(partitions, ["uPNSuffixes"])[0].texts("uPNSuffixes"),
    )


def people(
    connection: Connection,
    domain: Domain,
    base: str,
    *,
    filter: str = PEOPLE,
    shape: Shape = Shape(),
    page_size: int = PAGE_SIZE,
) -> Iterator[DirectoryPerson]:
    """Everybody below ``base`` that ``filter`` matches, in pages that are streamed: memory does not grow with them.

    The connection must not be used for anything else until the iteration is over; one that is given up leaves it
    broken. Raises DirectoryError at any step.
    """
    for entry in connection.paged(base, shape.attributes, filter, page_size=page_size):
        if entry.raw("sAMAccountName"):
            yield _person(entry, domain, shape)


def people_by_guid(
    connection: Connection,
    domain: Domain,
    bases: Sequence[str],
    guids: Iterable[UUID],
    *,
    filter: str = PEOPLE,
    shape: Shape = Shape(),
) -> Iterator[DirectoryPerson]:
    """Those of these objects that are people in scope: below one of the bases, and matched by the filter."""
    for entry in by_guid(connection, bases, guids, shape.attributes, filter=filter):
        if entry.raw("sAMAccountName"):
            yield _person(entry, domain, shape)


def people_called(
    connection: Connection,
    domain: Domain,
    name: str,
    *,
    shape: Shape = Shape(),
) -> list[DirectoryPerson]:
    """Everybody in the domain who answers to a user principal name, an account name with or without the domain before
    it, a mail address or a distinguished name, in scope or not."""
    account = name.rpartition("\\")[2]
    implicit = name.partition("@")[0] if name.lower().endswith(f"@{domain.dns_name.lower()}") else account
    question = filter_format(
        "(&(objectClass=user)(|(userPrincipalName=%s)(sAMAccountName=%s)(sAMAccountName=%s)(mail=%s)"
        "(distinguishedName=%s)))",
        (name, account, implicit, name, name),
    )
    return list(people(connection, domain, domain.dn, filter=question, shape=shape))


def in_scope(connection: Connection, bases: Sequence[str], filter: str) -> set[bytes]:
    """objectGUIDs (big-endian, as they sort) of everything below the bases that the filter matches."""
    return {
        entry.guid("objectGUID").bytes for base in bases for entry in connection.paged(base, ("objectGUID",), filter)
    }


def by_guid(
    connection: Connection,
    bases: Sequence[str],
    guids: Iterable[UUID],
    attributes: Sequence[str],
    *,
    filter: str,
    controls: Sequence[RequestControl] = (),
) -> Iterator[Entry]:
    """The entries with these objectGUIDs below the bases that the filter matches, each once."""
    wanted = list(dict.fromkeys(guids))
    for start in range(0, len(wanted), _GUIDS_AT_ONCE):
        some = "".join(f"(objectGUID={_escaped(guid)})" for guid in wanted[start : start + _GUIDS_AT_ONCE])
        seen: set[UUID] = set()
        for base in bases:
            found = connection.search(
                base, attributes, scope=ldap.SCOPE_SUBTREE, filter=f"(&{filter}(|{some}))", controls=controls
            )
            for entry in found:
                guid = entry.guid("objectGUID")
                if guid not in seen:
                    seen.add(guid)
                    yield entry


def _escaped(guid: UUID) -> str:
    return "".join(f"\\{byte:02x}" for byte in guid.bytes_le)


def _person(entry: Entry, domain: Domain, shape: Shape) -> DirectoryPerson:
    sam = entry.text("sAMAccountName")
    upn = entry.text("userPrincipalName") or None
    implicit = f"{sam}@{domain.dns_name}"  # signs in whether or not the account has a userPrincipalName
    user_id = upn or implicit
    spellings = dict.fromkeys(
        name.lower() for name in (implicit, f"{domain.netbios_name}\\{sam}", *entry.texts("mail")) if name
    )
    spellings.pop(user_id.lower(), None)
    contacts = shape.contacts
    return DirectoryPerson(
        guid=entry.guid("objectGUID"),
        dn=entry.dn,
        upn=upn,
        sam=sam,
        user_id=user_id,
        spellings=tuple(spellings),
        mails=tuple(dict.fromkeys(mail for name in contacts.mail for mail in entry.texts(name))),
        mobile=_first(entry, contacts.mobile),
        office_phone=_first(entry, contacts.office_phone),
        display_name=entry.text("displayName"),
        given_name=entry.text("givenName"),
        surname=entry.text("sn"),
        enabled=not entry.number("userAccountControl") & DISABLED,
        anchor=base64.b64encode((entry.raw(shape.anchor) or entry.raw("objectGUID"))[0]).decode("ascii"),
    )


def _first(entry: Entry, names: Sequence[str]) -> str:
    for name in names:
        if value := entry.text(name):
            return value
    return ""
