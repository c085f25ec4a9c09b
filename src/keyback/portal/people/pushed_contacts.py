"""The mail addresses and telephone numbers of pushed people: only what differs is encrypted and written, and what a
person registered themselves is not touched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain
from uuid import UUID, uuid4

from keyback.portal.organizations.models import Organization
from keyback.portal.people import contact_changes
from keyback.portal.people.bulk import insert
from keyback.portal.people.contacts import NewContact, indexer, normalise_mail, place_of_object
from keyback.portal.people.models import ContactDatum, Person
from keyback.portal.people.phones import normalise_phone
from keyback.portal.vault import sealer
from keyback.protocol.messages import PersonRecord

__all__ = ["write_contacts"]

_DIRECTORY = ContactDatum.Origin.DIRECTORY.value
_MAIL = ContactDatum.Kind.MAIL.value
_MOBILE = ContactDatum.Kind.MOBILE.value
_OFFICE_PHONE = ContactDatum.Kind.OFFICE_PHONE.value

_People = Sequence[tuple[UUID, PersonRecord]]
"""By their primary key."""

_Wanted = tuple[str, int, str]
"""Kind, position and value."""


def write_contacts(organization_id: UUID, region: str, *, added: _People, changed: _People, now: datetime) -> None:
    """``region``: of telephone numbers without a country code. Who was here before is told of what changes."""
    made = _Made(organization_id, region)
    different, gone = _differences(made, changed, now) if changed else ([], [])
    if gone:
        ContactDatum.objects.filter(pk__in=[row.pk for row in gone]).delete()
    insert(ContactDatum, NewContact._fields, chain(different, made.of_the_new(added, now)))
    people = Person.objects.in_bulk({row.person_id for row in gone} | {row.person_id for row in different})
    if changes := contact_changes.between(people, gone, different):
        contact_changes.tell(Organization.objects.get(pk=organization_id), changes, now)


def _differences(made: _Made, changed: _People, now: datetime) -> tuple[list[NewContact], list[ContactDatum]]:
    """What is to be written, and the rows on file that are to go."""
    on_file: dict[tuple[UUID, str, int], ContactDatum] = {
        (row.person_id, row.kind, row.position): row
        for row in ContactDatum.objects.filter(
            organization_id=made.organization_id, person_id__in=[key for key, _ in changed], origin=_DIRECTORY
        )
    }
    was = {(row.person_id, row.kind, bytes(row.value_index)): row for row in on_file.values()}
    different: list[NewContact] = []
    for key, record in changed:
        place = place_of_object(key, record.object_guid)
        for wanted in _wanted(record, made.region):
            kind, position, value = wanted
            index = made.index(kind, value)
            row = on_file.get((key, kind, position))
            if row is not None and bytes(row.value_index) == index:
                del on_file[key, kind, position]
                continue
            before = was.get((key, kind, index))  # only moved
            since = (before.changed_at, before.opens_from) if before else (now, now + contact_changes.REST)
            different.append(made.row(key, place, wanted, index, since))
    return different, list(on_file.values())


class _Made:
    """Rows of one organization; what is the same for all of them is worked out once."""

    def __init__(self, organization_id: UUID, region: str) -> None:
        self.organization_id = organization_id
        self.region = region
        self.index = indexer(organization_id)
        self._seal = sealer(organization_id)

    def of_the_new(self, people: _People, now: datetime) -> Iterator[NewContact]:
        for key, record in people:
            place = place_of_object(key, record.object_guid)
            for wanted in _wanted(record, self.region):
                yield self.row(key, place, wanted, self.index(wanted[0], wanted[2]), (now, None))

    def row(
        self, person_id: UUID, place: str, wanted: _Wanted, index: bytes, since: tuple[datetime, datetime | None]
    ) -> NewContact:
        """A row that is not written yet. ``since``: when it changed, and from when it opens a gate."""
        kind, position, value = wanted
        sealed = self._seal(place, kind, value)
        return NewContact(uuid4(), self.organization_id, person_id, kind, _DIRECTORY, position, sealed, index, *since)


def _wanted(record: PersonRecord, region: str) -> Iterator[_Wanted]:
    """A malformed address or number counts as missing."""
    mails = dict.fromkeys(mail for mail in map(normalise_mail, record.mail) if mail is not None)
    for position, mail in enumerate(mails):
        yield _MAIL, position, mail
    for kind, written in ((_MOBILE, record.mobile), (_OFFICE_PHONE, record.office_phone)):
        if written and (number := normalise_phone(written, region)):
            yield kind, 0, number
