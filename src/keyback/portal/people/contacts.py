"""Where a person can be reached: encrypted, bound to the person, found again by a blind index."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID, uuid4

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.db import transaction

from keyback.portal import sql
from keyback.portal.audit.words import Activity, Result
from keyback.portal.audit.writer import write
from keyback.portal.people.models import ContactDatum, Person
from keyback.portal.people.phones import normalise_phone
from keyback.portal.vault import VaultMismatch, open_value, seal_value

__all__ = [
    "NewContact",
    "add_mail",
    "add_phone",
    "index_of",
    "indexer",
    "mails_of",
    "mask_mail",
    "new_contact",
    "normalise_mail",
    "phones_of",
    "place_of",
    "place_of_object",
    "usable",
    "value_of",
]

_is_mail = EmailValidator()
# What most addresses are, and Django's validator accepts at ten times the cost.
_PLAIN = re.compile(
    r"[\w+-]+(?:\.[\w+-]+)*@(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?\.)+[a-zA-Z]{2,63}", re.ASCII
)
_log = logging.getLogger(__name__)


def normalise_mail(text: str) -> str | None:
    """The address with its domain in lower case; None for what cannot receive mail. Malformed counts as missing."""
    address = text.strip()
    try:
        if not _PLAIN.fullmatch(address):
            _is_mail(address)
    except ValidationError:
        return None
    # A quoted local part may hold controls, and then no mail can be composed to it (RFC 5322 calls that obsolete).
    if len(address) > 254 or not address.isascii() or not address.isprintable():
        return None
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain.lower()}"


def index_of(organization_id: UUID, kind: str, value: str) -> bytes:
    return indexer(organization_id)(kind, value)


def indexer(organization_id: UUID) -> Callable[[str, str], bytes]:
    """:func:`index_of` for many values of one organization."""
    organization, blind_index = str(organization_id), settings.KEYRING.blind_index

    def index(kind: str, value: str) -> bytes:
        digest: bytes = blind_index("contact", organization, kind, value.casefold())
        return digest

    return index


class NewContact(NamedTuple):
    """A row of ContactDatum that is not written yet. A whole directory brings millions; an instance of the model for
    each would cost more than encrypting it."""

    id: UUID
    organization_id: UUID
    person_id: UUID
    kind: str
    origin: str
    position: int
    value: str
    value_index: bytes
    changed_at: datetime
    opens_from: datetime | None


def new_contact(
    person: Person,
    *,
    origin: str,
    kind: str,
    position: int,
    value: str,
    index: bytes,
    changed_at: datetime,
    opens_from: datetime | None,
) -> NewContact:
    """``index``: that of :func:`index_of`."""
    organization_id = person.organization_id
    sealed = seal_value(organization_id, place_of(person), kind, value)
    return NewContact(
        uuid4(), organization_id, person.pk, kind, origin, position, sealed, index, changed_at, opens_from
    )


def place_of(person: Person) -> str:
    """What a value is bound to: the person, and the very object in the directory. Whoever can write the database could
    otherwise have another account reset by who reads this mailbox."""
    return place_of_object(person.pk, person.object_guid)


def place_of_object(person_id: UUID, object_guid: UUID | None) -> str:
    """The same from a person's keys."""
    return f"{person_id}:{object_guid or ''}"


def mails_of(person: Person) -> list[tuple[ContactDatum, str]]:
    """Every usable mail address with its row, in the order in which they are offered.

    Where a row, or the person, is not what it was when the address was put on file, it counts as missing: nothing is
    sent there, and what a directory did is recorded although nobody can be told.
    """
    return _values(person, ContactDatum.Kind.MAIL)


def usable(found: list[tuple[ContactDatum, str]], now: datetime) -> list[tuple[ContactDatum, str]]:
    """Those of them that may open a gate at ``now``."""
    return [(row, value) for row, value in found if row.opens_from is None or row.opens_from <= now]


def phones_of(person: Person, kind: ContactDatum.Kind) -> list[tuple[ContactDatum, str]]:
    """Every mobile or every office number with its row, as ``+CC NNNN…``. A number that is both is a mobile number:
    whoever holds one telephone must not count for two. Bent rows count as missing, as for :func:`mails_of`."""
    found = _values(person, ContactDatum.Kind.MOBILE, ContactDatum.Kind.OFFICE_PHONE)
    mobile = {value for row, value in found if row.kind == ContactDatum.Kind.MOBILE}
    return [
        (row, value)
        for row, value in found
        # What an earlier version stored as the directory wrote it is malformed until the next push.
        if row.kind == kind
        and normalise_phone(value, "") == value
        and (kind == ContactDatum.Kind.MOBILE or value not in mobile)
    ]


def _values(person: Person, *kinds: ContactDatum.Kind) -> list[tuple[ContactDatum, str]]:
    rows = sql.select(
        ContactDatum,
        "organization_id = %(organization)s AND person_id = %(person)s"
        f" AND kind IN ({sql.quoted(kind.value for kind in kinds)}) ORDER BY position, id",
        organization=person.organization_id,
        person=person.pk,
    )
    return [(row, value) for row in rows if (value := _value(row, place_of(person))) is not None]


def value_of(person: Person, row: ContactDatum) -> str | None:
    """What stands in this row of this person; None where it was bent."""
    return _value(row, place_of(person))


def _value(row: ContactDatum, place: str) -> str | None:
    try:
        return open_value(row.organization_id, place, row.kind, row.value)
    except VaultMismatch:
        _log.error("contact datum %s was not written by this portal for this person; it is left out", row.pk)
        return None


def add_mail(
    person: Person, address: str, *, origin: str, by: str, now: datetime, opens_from: datetime | None = None
) -> ContactDatum:
    """One more address. ValueError for what cannot receive mail; the same address again is the same row.
    ``opens_from``: before that it opens no gate."""
    normal = normalise_mail(address)
    if normal is None:
        raise ValueError("this is not a mail address")
    return _add(person, ContactDatum.Kind.MAIL, normal, origin=origin, by=by, now=now, opens_from=opens_from)


def add_phone(
    person: Person,
    number: str,
    kind: ContactDatum.Kind,
    *,
    origin: str,
    by: str,
    now: datetime,
    opens_from: datetime | None = None,
) -> ContactDatum:
    """One more number. ValueError for what is none; the same number again is the same row. ``opens_from``: before that
    it opens no gate."""
    normal = normalise_phone(number, person.organization.phone_region)
    if normal is None:
        raise ValueError("this is not a telephone number")
    return _add(person, kind, normal, origin=origin, by=by, now=now, opens_from=opens_from)


def _add(
    person: Person,
    kind: ContactDatum.Kind,
    normal: str,
    *,
    origin: str,
    by: str,
    now: datetime,
    opens_from: datetime | None,
) -> ContactDatum:
    mine = ContactDatum.objects.filter(organization_id=person.organization_id, person=person, kind=kind)
    index = index_of(person.organization_id, kind, normal)
    same = mine.filter(value_index=index).first()
    if same is not None:
        return same
    with transaction.atomic():
        new = new_contact(
            person,
            origin=origin,
            kind=kind.value,
            position=mine.count(),
            value=normal,
            index=index,
            changed_at=now,
            opens_from=opens_from,
        )
        datum = ContactDatum.objects.create(**new._asdict())
        write(
            person.organization_id,
            Activity.PERSON_CONTACT_ADDED,
            result=Result.SUCCESS,
            actor=by,
            now=now,
            details={"kind": kind.value, "origin": origin, "person": str(person.id)},
            personal={"value": normal},
        )
    return datum


def mask_mail(address: str) -> str:
    """Enough for its owner to know it: ``a••••@e••••.test``. Always four dots, so that the length stays private."""
    local, _, domain = address.rpartition("@")
    host, dot, suffix = domain.rpartition(".")
    return f"{local[:1]}••••@{host[:1]}••••{dot}{suffix}"
