"""Licences (seats), where an organization counts them: given one by one, or taken by members of a group when they first
need one. There are never more than the organization has, however many take the last one at once."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from keyback.errors import KeybackError
from keyback.portal.audit.words import Activity, Result
from keyback.portal.audit.writer import write
from keyback.portal.organizations.models import Organization
from keyback.portal.people.groups import groups_of
from keyback.portal.people.models import Person, Seat

__all__ = ["NoSeat", "give", "may_have", "release", "release_unused", "take"]


class NoSeat(KeybackError):
    """Every seat is taken."""

    code = "no_seat"


def may_have(person: Person) -> bool:
    """Whether this person has a seat or could take one now. Takes none."""
    organization = person.organization
    if organization.seats is None:
        return True
    seat = Seat.objects.filter(person=person).first()
    if seat is not None and seat.group_id is None:
        return True
    if _group(organization, person) is None:
        return False
    return seat is not None or _free(organization) > 0


def take(person: Person, now: datetime) -> bool:
    """Whether this person has a seat, which a member of an organization's seat groups takes where one is free. One who
    is no member any more gives back what they had through it."""
    if person.organization.seats is None:
        return True
    with transaction.atomic():
        organization = _locked(person.organization_id)
        seat = Seat.objects.filter(person=person).first()
        if seat is not None and seat.group_id is None:
            return True
        group = _group(organization, person)
        if group is None:
            if seat is not None:
                seat.delete()
            return False
        if seat is None:
            if _free(organization) <= 0:
                return False
            _seat(person, group, by="system", now=now)
    return True


def give(person: Person, *, by: str, now: datetime) -> None:
    """A seat of their own, which stays whatever group they are in. Raises NoSeat."""
    with transaction.atomic():
        organization = _locked(person.organization_id)
        if organization.seats is None:
            raise NoSeat(f"{organization.name} does not count seats; say how many there are first")
        seat = Seat.objects.filter(person=person).first()
        if seat is None and _free(organization) <= 0:
            raise NoSeat(f"all {organization.seats} seats of {organization.name} are taken")
        if seat is not None:
            seat.delete()
        _seat(person, None, by=by, now=now)


def release(person: Person, *, by: str, now: datetime) -> bool:
    """Whether there was one to take away. A member of a seat group may take one again."""
    with transaction.atomic():
        _locked(person.organization_id)
        gone = Seat.objects.filter(person=person).delete()[0] > 0
        if gone:
            _write(person, Activity.SEAT_RELEASED, by, now)
    return gone


def release_unused(organization: Organization, *, by: str, now: datetime) -> int:
    """Takes back the seats of people who left: the directory, or the group through which they had one. How many."""
    unused = [
        seat.person
        for seat in Seat.objects.filter(organization=organization).select_related("person__organization")
        if seat.person.removed_at is not None
        or (seat.group_id is not None and _group(organization, seat.person) is None)
    ]
    return sum(release(person, by=by, now=now) for person in unused)


def _locked(organization_id: UUID) -> Organization:
    # Without FOR KEY: rows that name the organization can still be written, and two who wrote some do not deadlock.
    return Organization.objects.select_for_update(no_key=True).get(id=organization_id)


def _free(organization: Organization) -> int:
    return (organization.seats or 0) - Seat.objects.filter(organization=organization).count()


def _group(organization: Organization, person: Person) -> UUID | None:
    """Through which seat group this person may have one."""
    mine = groups_of(person) if organization.seat_groups else frozenset()
    return next((UUID(text) for text in organization.seat_groups if UUID(text) in mine), None)


def _seat(person: Person, group_id: UUID | None, *, by: str, now: datetime) -> None:
    Seat.objects.create(organization_id=person.organization_id, person=person, group_id=group_id, taken_at=now)
    _write(person, Activity.SEAT_TAKEN, by, now, group=None if group_id is None else str(group_id))


def _write(person: Person, activity: Activity, by: str, now: datetime, **details: str | None) -> None:
    write(
        person.organization_id,
        activity,
        result=Result.SUCCESS,
        actor=by,
        now=now,
        details={"person": str(person.id), **details},
    )
