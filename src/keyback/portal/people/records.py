"""What a pushed record makes of a person: which rows change, and writing them in bulk.

A push costs the same few queries whether it holds one person or five hundred; an unchanged person costs a comparison
of digests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import NamedTuple
from uuid import UUID

from keyback.portal.organizations.lookup import domain_of, normalise_user_id
from keyback.portal.organizations.models import Domain, Organization
from keyback.portal.people import contact_changes
from keyback.portal.people.binding import binding_of, bound
from keyback.portal.people.bulk import analyse_if_never, insert, insert_values, lookup, update
from keyback.portal.people.contacts import NewContact, index_of, new_contact, normalise_mail
from keyback.portal.people.models import ContactDatum, Person, Spelling
from keyback.portal.people.phones import normalise_phone
from keyback.protocol.messages import PersonRecord

__all__ = ["Place", "Plan", "carry_out", "place_of", "plan_for"]

_FIELDS = (
    "anchor",
    "user_id",
    "account_name",
    "display_name",
    "given_name",
    "surname",
    "enabled",
    "digest",
    "binding",
    "seen_at",
    "missing_at",
    "removed_at",
)
_SOURCE = Person.Source.DIRECTORY.value
_DIRECTORY = ContactDatum.Origin.DIRECTORY.value


@dataclass(frozen=True, slots=True)
class Place:
    """Where pushed people belong. ``domains``: the organization's verified ones; ``region``: of its telephones."""

    organization_id: UUID
    forest_id: UUID
    domains: frozenset[str]
    region: str

    @property
    def standing(self) -> bytes:
        """What beside a record decides what becomes of it: once a domain is verified, its spellings begin to count."""
        return "\n".join([*sorted(self.domains), self.region]).encode()


@dataclass(slots=True)
class Plan:
    """What one push will change."""

    added: list[tuple[Person, PersonRecord]] = field(default_factory=list)
    changed: list[tuple[Person, PersonRecord]] = field(default_factory=list)
    refused: dict[UUID, str] = field(default_factory=dict)

    @property
    def touched(self) -> list[tuple[Person, PersonRecord]]:
        return self.added + self.changed


def place_of(organization_id: UUID, forest_id: UUID) -> Place:
    domains = Domain.objects.filter(organization_id=organization_id, verified_at__isnull=False)
    return Place(
        organization_id=organization_id,
        forest_id=forest_id,
        domains=frozenset(domains.values_list("name", flat=True)),
        region=Organization.objects.values_list("phone_region", flat=True).get(pk=organization_id),
    )


def plan_for(place: Place, people: Iterable[PersonRecord], now: datetime) -> Plan:
    """Reads who is known already; writes nothing."""
    records = {record.object_guid: record for record in people}
    known = _known(place, records)
    plan = Plan()
    standing = place.standing
    digests: dict[UUID, bytes] = {}
    changed: dict[UUID, PersonRecord] = {}
    for guid, record in records.items():
        if reason := _refusal(record, place.domains):
            plan.refused[guid] = reason
            continue
        digest = digests[guid] = _digest(record, standing)
        row = known.get(guid)
        if row is None:
            person = Person(
                organization_id=place.organization_id,
                source=_SOURCE,
                forest_id=place.forest_id,
                object_guid=guid,
            )
            plan.added.append((person, record))
        elif not _is_as_pushed(place, row, digest):
            changed[row.id] = record
    people_there = Person.objects.in_bulk(changed)
    plan.changed += [(people_there[pk], record) for pk, record in changed.items()]
    for person, record in plan.touched:
        _fill(person, record, digests[record.object_guid], now)
    return plan


def carry_out(place: Place, plan: Plan, now: datetime) -> None:
    insert(Person, [person for person, _ in plan.added])
    update(Person, [person for person, _ in plan.changed], _FIELDS)
    _write_spellings(place, plan)
    _write_contacts(place, plan, now)
    if plan.added:
        analyse_if_never(Person, Spelling, ContactDatum)


class _Known(NamedTuple):
    """What of a person's row tells whether a push changes it."""

    id: UUID
    object_guid: UUID
    user_id: str
    digest: bytes | None
    binding: bytes | None
    missing_at: datetime | None
    removed_at: datetime | None


def _known(place: Place, guids: Collection[UUID]) -> dict[UUID, _Known]:
    same = {"organization_id": place.organization_id, "forest_id": place.forest_id}
    return {
        row.object_guid: row for row in map(_Known._make, lookup(Person, _Known._fields, "object_guid", guids, **same))
    }


def _is_as_pushed(place: Place, row: _Known, digest: bytes) -> bool:
    """Nothing to write: the record is the same, and the row is still the one that was written for it."""
    same = bytes(row.digest or b"") == digest and row.removed_at is None and row.missing_at is None
    return same and bytes(row.binding or b"") == bound(
        place.organization_id, row.id, place.forest_id, row.object_guid, row.user_id
    )


def _refusal(record: PersonRecord, domains: frozenset[str]) -> str:
    """Why this person is not taken; empty when they are. It goes to the agent's log, so it names no person."""
    try:
        user_id = normalise_user_id(record.user_id)
    except ValueError as error:
        return str(error)
    domain = domain_of(user_id)
    if not domain:
        return "the user ID has no domain"
    if domain not in domains:
        return f"{domain} is not a verified domain of this organization"
    return ""


def _digest(record: PersonRecord, standing: bytes) -> bytes:
    content = record.model_dump_json().encode("utf-8", "backslashreplace")
    return hashlib.sha256(content + b"\n" + standing).digest()


def _fill(person: Person, record: PersonRecord, digest: bytes, now: datetime) -> None:
    person.anchor = record.anchor
    person.user_id = normalise_user_id(record.user_id)
    person.account_name = _clean(record.account_name)
    person.display_name = _clean(record.display_name)
    person.given_name = _clean(record.given_name)
    person.surname = _clean(record.surname)
    person.enabled = record.enabled
    person.digest = digest
    person.binding = binding_of(person)
    person.seen_at = now
    person.missing_at = None
    person.removed_at = None


def _clean(text: str) -> str:
    """Without NUL, line breaks and other controls: names stand in mails and pages, and PostgreSQL stores no NUL."""
    return text if text.isprintable() else "".join(c for c in text if c.isprintable())


def _write_spellings(place: Place, plan: Plan) -> None:
    if plan.changed:
        people = [person.pk for person, _ in plan.changed]
        Spelling.objects.filter(organization_id=place.organization_id, person_id__in=people).delete()
    insert_values(
        Spelling,
        ("organization_id", "person_id", "text"),
        [
            (place.organization_id, person.pk, text)
            for person, record in plan.touched
            for text in _spellings(record, place.domains)
        ],
    )


def _spellings(record: PersonRecord, domains: frozenset[str]) -> list[str]:
    """Every usable spelling once. One of a domain that is not the organization's could never name anybody here."""
    found: dict[str, None] = {}
    for spelling in (record.user_id, record.account_name, *record.spellings):
        try:
            text = normalise_user_id(spelling)
        except ValueError:
            continue
        domain = domain_of(text)
        if not domain or domain in domains:
            found[text] = None
    return list(found)


def _wanted_contacts(record: PersonRecord, region: str) -> Iterable[tuple[str, int, str]]:
    """(kind, position, value). A malformed address or number counts as missing."""
    mails = dict.fromkeys(mail for mail in map(normalise_mail, record.mail) if mail is not None)
    yield from ((ContactDatum.Kind.MAIL.value, position, mail) for position, mail in enumerate(mails))
    for kind, value in (
        (ContactDatum.Kind.MOBILE.value, record.mobile),
        (ContactDatum.Kind.OFFICE_PHONE.value, record.office_phone),
    ):
        if value and (number := normalise_phone(value, region)):
            yield kind, 0, number


def _write_contacts(place: Place, plan: Plan, now: datetime) -> None:
    """Only what differs is encrypted and written; what a person registered themselves is not touched."""
    known = {person.pk: person for person, _ in plan.changed}
    on_file: dict[tuple[UUID, str, int], ContactDatum] = {
        (row.person_id, row.kind, row.position): row
        for row in ContactDatum.objects.filter(
            organization_id=place.organization_id, person_id__in=known, origin=_DIRECTORY
        )
    }
    was = {(row.person_id, row.kind, bytes(row.value_index)): row for row in on_file.values()}
    different: list[NewContact] = []
    for person, record in plan.changed:
        for kind, position, value in _wanted_contacts(record, place.region):
            index = index_of(place.organization_id, kind, value)
            row = on_file.get((person.pk, kind, position))
            if row is not None and bytes(row.value_index) == index:
                del on_file[person.pk, kind, position]
                continue
            before = was.get((person.pk, kind, index))  # only moved
            different.append(
                new_contact(
                    person,
                    origin=_DIRECTORY,
                    kind=kind,
                    position=position,
                    value=value,
                    index=index,
                    changed_at=before.changed_at if before else now,
                    opens_from=before.opens_from if before else now + contact_changes.REST,
                )
            )
    gone = list(on_file.values())
    if gone:
        ContactDatum.objects.filter(pk__in=[row.pk for row in gone]).delete()
    of_the_new = (
        new_contact(
            person,
            origin=_DIRECTORY,
            kind=kind,
            position=position,
            value=value,
            index=index_of(place.organization_id, kind, value),
            changed_at=now,
            opens_from=None,
        )
        for person, record in plan.added
        for kind, position, value in _wanted_contacts(record, place.region)
    )
    insert_values(ContactDatum, NewContact._fields, chain(different, of_the_new))
    if changes := contact_changes.between(known, gone, different):
        contact_changes.tell(Organization.objects.get(pk=place.organization_id), changes, now)
