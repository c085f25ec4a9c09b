"""Everything that is on file about one person, in one list: registered methods, addresses and numbers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from keyback.portal.audit.words import Activity, Result
from keyback.portal.audit.writer import write
from keyback.portal.people import contacts, mailboxes
from keyback.portal.people.models import ContactDatum, Person
from keyback.portal.people.phones import mask_phone
from keyback.portal.securityinfo import registered
from keyback.portal.securityinfo.models import RegisteredMethod, SecurityProfile
from keyback.portal.securityinfo.notices import tell

__all__ = ["Entry", "NotTheirs", "confirm", "confirmed_at", "default_method", "entries", "remove", "set_default"]

_METHOD_OF_KIND = {
    ContactDatum.Kind.MAIL: "email",
    ContactDatum.Kind.MOBILE: "sms",
    ContactDatum.Kind.OFFICE_PHONE: "call_office",
}


class NotTheirs(ValueError):
    """No such entry of this person, or one that the organization keeps."""


@dataclass(frozen=True, slots=True)
class Entry:
    """``method``: the folder under portal/methods whose title names it. ``removable``: False for what comes from the
    directory or from an operator, who alone can change it there. ``proves``: False for a mailbox that opens with the
    password itself."""

    id: UUID
    method: str
    label: str
    removable: bool
    created_at: datetime
    used_at: datetime | None
    opens_from: datetime | None
    proves: bool = True


def entries(person: Person) -> list[Entry]:
    """Addresses and numbers first, then registered methods, each oldest first. Bent rows are left
    out."""
    own = mailboxes.own_domains(person.organization_id)
    found = [
        _of_datum(datum, contacts.mask_mail(address), proves=not mailboxes.is_own(address, own))
        for datum, address in contacts.mails_of(person)
    ]
    for kind in (ContactDatum.Kind.MOBILE, ContactDatum.Kind.OFFICE_PHONE):
        found += [_of_datum(datum, mask_phone(number)) for datum, number in contacts.phones_of(person, kind)]
    names = RegisteredMethod.objects.filter(organization_id=person.organization_id, person=person)
    for name in dict.fromkeys(names.order_by("created_at", "id").values_list("method", flat=True)):
        found += [_of_registered(one) for one in registered.on_file(person, name)]
    return found


def _of_datum(datum: ContactDatum, label: str, *, proves: bool = True) -> Entry:
    return Entry(
        id=datum.id,
        method=_METHOD_OF_KIND[ContactDatum.Kind(datum.kind)],
        label=label,
        removable=datum.origin == ContactDatum.Origin.REGISTERED,
        created_at=datum.changed_at,
        used_at=None,
        opens_from=datum.opens_from,
        proves=proves,
    )


def _of_registered(found: registered.Registered) -> Entry:
    row = found.row
    return Entry(row.id, row.method, row.label, True, row.created_at, row.used_at, found.opens_from)


def remove(person: Person, entry_id: UUID, *, by: str, now: datetime, tracking_id: UUID | None = None) -> None:
    """Takes one entry off file, with audit and mail. Raises NotTheirs."""
    mine = {"organization_id": person.organization_id, "person": person, "id": entry_id}
    row = RegisteredMethod.objects.select_related("person__organization").filter(**mine).first()
    if row is not None:
        registered.remove(row, by=by, now=now, tracking_id=tracking_id)
        return
    datum = ContactDatum.objects.filter(**mine, origin=ContactDatum.Origin.REGISTERED).first()
    if datum is None:
        raise NotTheirs("there is no such entry that this person can remove")
    with transaction.atomic():
        # Before it goes, so that the old address hears of it too.
        tell(person, "removed", _METHOD_OF_KIND[ContactDatum.Kind(datum.kind)], now, tracking_id=tracking_id)
        datum.delete()
        write(
            person.organization_id,
            Activity.PERSON_CONTACT_REMOVED,
            result=Result.SUCCESS,
            actor=by,
            now=now,
            tracking_id=tracking_id,
            details={"kind": datum.kind, "origin": datum.origin, "person": str(person.pk)},
        )


def default_method(person: Person) -> str:
    """The method that is offered first; empty where the person chose none."""
    profile = SecurityProfile.objects.filter(organization_id=person.organization_id, person=person).first()
    return profile.default_method if profile else ""


def set_default(person: Person, method: str) -> None:
    _profile(person, default_method=method)


def confirmed_at(person: Person) -> datetime | None:
    """When the person last said that everything on file is still right."""
    profile = SecurityProfile.objects.filter(organization_id=person.organization_id, person=person).first()
    return profile.confirmed_at if profile else None


def confirm(person: Person, now: datetime) -> None:
    _profile(person, confirmed_at=now)


def _profile(person: Person, **values: object) -> None:
    SecurityProfile.objects.update_or_create(
        person=person, defaults={"organization_id": person.organization_id, **values}
    )
