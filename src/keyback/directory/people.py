"""Reading the people of a directory for synchronisation, one by one, however many there are."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import ldap
from ldap.controls import SimplePagedResultsControl
from ldap.filter import filter_format

from keyback.directory._values import Entry, sid_text
from keyback.directory.accounts import DISABLED
from keyback.directory.connection import Connection
from keyback.directory.errors import NotFound

__all__ = ["PEOPLE", "Anchor", "DirectoryPerson", "Domain", "people", "read_domain"]

PEOPLE = "(&(objectCategory=person)(objectClass=user)(userAccountControl:1.2.840.113556.1.4.803:=512))"
"""Normal accounts (bit 0x200): no computers, trusts, group managed accounts or contacts."""

Anchor = Literal["objectGUID", "mS-DS-ConsistencyGuid"]

_ATTRIBUTES = (
    "objectGUID",
    "objectSid",
    "sAMAccountName",
    "userPrincipalName",
    "displayName",
    "givenName",
    "sn",
    "mail",
    "otherMailbox",
    "telephoneNumber",
    "mobile",
    "userAccountControl",
    "memberOf",
    "mS-DS-ConsistencyGuid",
)


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
    sid: str
    dn: str
    upn: str | None
    sam: str
    netbios: str
    user_id: str
    spellings: tuple[str, ...]
    mails: tuple[str, ...]
    other_mailbox: tuple[str, ...]
    display_name: str
    given_name: str
    surname: str
    telephone_number: str
    mobile: str
    enabled: bool
    member_of: tuple[str, ...]
    anchor: str


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
    anchor: Anchor = "objectGUID",
    page_size: int = 1000,
) -> Iterator[DirectoryPerson]:
    """Everybody below ``base`` that ``filter`` matches, in pages that are streamed: memory does not grow with them.

    The connection must not be used for anything else until the iteration is over; one that is given up leaves it
    broken. Raises DirectoryError at any step.
    """
    cookie = b""
    while True:
        answered: list[Any] = []
        page = SimplePagedResultsControl(criticality=True, size=page_size, cookie=cookie)
        for entry in connection.stream(
            base, _ATTRIBUTES, scope=ldap.SCOPE_SUBTREE, filter=filter, controls=[page], answered=answered
        ):
            if entry.raw("objectSid"):
                yield _person(entry, domain, anchor)
        cookie = next((c.cookie for c in answered if isinstance(c, SimplePagedResultsControl)), b"")
        if not cookie:
            return


def _person(entry: Entry, domain: Domain, anchor: Anchor) -> DirectoryPerson:
    sam = entry.text("sAMAccountName")
    upn = entry.text("userPrincipalName") or None
    implicit = f"{sam}@{domain.dns_name}"  # signs in whether or not the account has a userPrincipalName
    user_id = upn or implicit
    spellings = dict.fromkeys(
        name.lower() for name in (implicit, f"{domain.netbios_name}\\{sam}", *entry.texts("mail")) if name
    )
    spellings.pop(user_id.lower(), None)
    return DirectoryPerson(
        guid=entry.guid("objectGUID"),
        sid=sid_text(entry.raw("objectSid")[0]),
        dn=entry.dn,
        upn=upn,
        sam=sam,
        netbios=domain.netbios_name,
        user_id=user_id,
        spellings=tuple(spellings),
        mails=entry.texts("mail"),
        other_mailbox=entry.texts("otherMailbox"),
        display_name=entry.text("displayName"),
        given_name=entry.text("givenName"),
        surname=entry.text("sn"),
        telephone_number=entry.text("telephoneNumber"),
        mobile=entry.text("mobile"),
        enabled=not entry.number("userAccountControl") & DISABLED,
        member_of=entry.texts("memberOf"),
        anchor=base64.b64encode((entry.raw(anchor) or entry.raw("objectGUID"))[0]).decode("ascii"),
    )
