"""Where a person can be reached: encrypted, bound to the person, found again by a blind index."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.db import transaction

from keyback.portal.audit.words import Activity, Result
from keyback.portal.audit.writer import write
from keyback.portal.people.models import ContactDatum, Person
from keyback.portal.vault import open_value, seal_value

__all__ = ["add_mail", "datum_of", "index_of", "mails_of", "mask_mail", "normalise_mail"]

_is_mail = EmailValidator()


def normalise_mail(text: str) -> str | None:
    """The address with its domain in lower case; None for what cannot receive mail. Malformed counts as missing."""
    address = text.strip()
    try:
        _is_mail(address)
    except ValidationError:
        return None
    # A quoted local part may hold controls, and then no mail can be composed to it (RFC 5322 calls that obsolete).
    if len(address) > 254 or not address.isascii() or not address.isprintable():
        return None
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain.lower()}"


def index_of(organization_id: UUID, kind: str, value: str) -> bytes:
    digest: bytes = settings.KEYRING.blind_index("contact", str(organization_id), kind, value.casefold())
    return digest


def datum_of(person: Person, *, kind: str, origin: str, position: int, value: str, now: datetime) -> ContactDatum:
    """A row, not saved yet."""
    return ContactDatum(
        organization_id=person.organization_id,
        person=person,
        kind=kind,
        origin=origin,
        position=position,
        value=seal_value(person.organization_id, _place(person), kind, value),
        value_index=index_of(person.organization_id, kind, value),
        changed_at=now,
    )


def _place(person: Person) -> str:
    """What a value is bound to: the person, and the very object in the directory. Whoever can write the database could
    otherwise have another account reset by who reads this mailbox."""
    return f"{person.pk}:{person.object_guid or ''}"


def mails_of(person: Person) -> list[tuple[ContactDatum, str]]:
    """Every usable mail address with its row, in the order in which they are offered. Raises VaultMismatch where a row,
    or the person, is not what it was when the address was put on file."""
    rows = ContactDatum.objects.filter(
        organization_id=person.organization_id, person=person, kind=ContactDatum.Kind.MAIL
    ).order_by("position", "id")
    return [(row, open_value(row.organization_id, _place(person), row.kind, row.value)) for row in rows]


def add_mail(person: Person, address: str, *, origin: str, by: str, now: datetime) -> ContactDatum:
    """One more address. ValueError for what cannot receive mail; the same address again is the same row."""
    normal = normalise_mail(address)
    if normal is None:
        raise ValueError("this is not a mail address")
    kind = ContactDatum.Kind.MAIL.value
    mine = ContactDatum.objects.filter(organization_id=person.organization_id, person=person, kind=kind)
    same = mine.filter(value_index=index_of(person.organization_id, kind, normal)).first()
    if same is not None:
        return same
    with transaction.atomic():
        datum = datum_of(
            person,
            kind=kind,
            origin=origin,
            position=mine.count(),
            value=normal,
            now=now,
        )
        datum.save()
        write(
            person.organization_id,
            Activity.PERSON_CONTACT_ADDED,
            result=Result.SUCCESS,
            actor=by,
            now=now,
            details={"kind": kind, "origin": origin, "person": str(person.id)},
            personal={"value": normal},
        )
    return datum


def mask_mail(address: str) -> str:
    """Enough for its owner to know it: ``a••••@e••••.test``. Always four dots, so that the length stays private."""
    local, _, domain = address.rpartition("@")
    host, dot, suffix = domain.rpartition(".")
    return f"{local[:1]}••••@{host[:1]}••••{dot}{suffix}"
