"""What a pushed record makes of a person: which rows change, and writing them in bulk.

A push costs the same few queries whether it holds one person or five hundred; an unchanged person costs a comparison
of digests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID, uuid4

from django.db import connection

from keyback.portal import sql
from keyback.portal.organizations.lookup import domain_of, normalise_user_id
from keyback.portal.organizations.models import Domain, Organization
from keyback.portal.people.binding import Binder, binder
from keyback.portal.people.bulk import analyse_if_never, insert, lookup, update
from keyback.portal.people.models import ContactDatum, Person, Spelling
from keyback.portal.people.pushed_contacts import write_contacts
from keyback.protocol.messages import PersonRecord

__all__ = ["Place", "Plan", "PushedPerson", "carry_out", "place_of", "plan_for"]

_CHANGED = (
    "id",
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
_values_of = attrgetter(*_CHANGED)


@dataclass(frozen=True, slots=True)
class Place:
    """Where pushed people belong. ``domains``: the organization's verified ones; ``region``: of its telephones;
    ``bound``: binds somebody to an object of this forest."""

    organization_id: UUID
    forest_id: UUID
    domains: frozenset[str]
    region: str
    bound: Binder

    @property
    def standing(self) -> bytes:
        """What beside a record decides what becomes of it: once a domain is verified, its spellings begin to count."""
        return "\n".join([*sorted(self.domains), self.region]).encode()


class PushedPerson(NamedTuple):
    """A row of Person as a push has it; an instance of the model would cost more than writing it."""

    id: UUID
    organization_id: UUID
    source: str
    forest_id: UUID
    object_guid: UUID
    anchor: str
    user_id: str
    account_name: str
    display_name: str
    given_name: str
    surname: str
    enabled: bool
    digest: bytes
    binding: bytes
    seen_at: datetime
    language: str = ""
    missing_at: None = None
    removed_at: None = None


@dataclass(slots=True)
class Plan:
    """What one push will change."""

    added: list[tuple[PushedPerson, PersonRecord]] = field(default_factory=list)
    changed: list[tuple[PushedPerson, PersonRecord]] = field(default_factory=list)
    refused: dict[UUID, str] = field(default_factory=dict)

    @property
    def touched(self) -> list[tuple[PushedPerson, PersonRecord]]:
        return self.added + self.changed


def place_of(organization_id: UUID, forest_id: UUID) -> Place:
    with connection.cursor() as cursor:
        cursor.execute(_REGION_AND_DOMAINS, sql.values(organization=organization_id))
        rows = cursor.fetchall()
    return Place(
        organization_id=organization_id,
        forest_id=forest_id,
        domains=frozenset(domain for _, domain in rows if domain),
        region=rows[0][0],
        bound=binder(organization_id, forest_id),
    )


_REGION_AND_DOMAINS = f"""
SELECT o.phone_region, d.name FROM {Organization._meta.db_table} o
LEFT JOIN {Domain._meta.db_table} d ON d.organization_id = o.id AND d.verified_at IS NOT NULL
WHERE o.id = %(organization)s
"""  # noqa: S608 — table names


def plan_for(place: Place, people: Iterable[PersonRecord], now: datetime) -> Plan:
    """Reads who is known already; writes nothing."""
    records = {record.object_guid: record for record in people}
    known = _known(place, records)
    plan = Plan()
    standing = place.standing
    for guid, record in records.items():
        if reason := _refusal(record, place.domains):
            plan.refused[guid] = reason
            continue
        digest = _digest(record, standing)
        row = known.get(guid)
        if row is None:
            plan.added.append((_person(place, uuid4(), record, digest, now), record))
        elif not _is_as_pushed(place, row, digest):
            plan.changed.append((_person(place, row.id, record, digest, now), record))
    return plan


def carry_out(place: Place, plan: Plan, now: datetime) -> None:
    insert(Person, PushedPerson._fields, (person for person, _ in plan.added))
    update(Person, _CHANGED, [_values_of(person) for person, _ in plan.changed])
    _write_spellings(place, plan)
    write_contacts(
        place.organization_id,
        place.region,
        added=[(person.id, record) for person, record in plan.added],
        changed=[(person.id, record) for person, record in plan.changed],
        now=now,
    )
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
    return same and bytes(row.binding or b"") == place.bound(row.id, row.object_guid, row.user_id)


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


def _person(place: Place, key: UUID, record: PersonRecord, digest: bytes, now: datetime) -> PushedPerson:
    user_id = normalise_user_id(record.user_id)
    return PushedPerson(
        id=key,
        organization_id=place.organization_id,
        source=_SOURCE,
        forest_id=place.forest_id,
        object_guid=record.object_guid,
        anchor=record.anchor,
        user_id=user_id,
        account_name=_clean(record.account_name),
        display_name=_clean(record.display_name),
        given_name=_clean(record.given_name),
        surname=_clean(record.surname),
        enabled=record.enabled,
        digest=digest,
        binding=place.bound(key, record.object_guid, user_id),
        seen_at=now,
    )


def _clean(text: str) -> str:
    """Without NUL, line breaks and other controls: names stand in mails and pages, and PostgreSQL stores no NUL."""
    return text if text.isprintable() else "".join(c for c in text if c.isprintable())


def _write_spellings(place: Place, plan: Plan) -> None:
    if plan.changed:
        people = [person.id for person, _ in plan.changed]
        Spelling.objects.filter(organization_id=place.organization_id, person_id__in=people).delete()
    insert(
        Spelling,
        ("organization_id", "person_id", "text"),
        (
            (place.organization_id, person.id, text)
            for person, record in plan.touched
            for text in _spellings(record, place.domains)
        ),
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
