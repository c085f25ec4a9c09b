"""Who is no longer in the directory, and the guard: when many go at once, nobody is removed before somebody was asked.

A filter mistyped, a base renamed or a right taken away looks like an exodus. Whoever has gone is *missing* first. As
long as those who go within 24 hours are few, the missing are removed at once; else all of them stay as they were until
an administrator confirms, or until they are back.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from keyback.portal import sql
from keyback.portal.audit.words import Activity, Result
from keyback.portal.audit.writer import write
from keyback.portal.limits.budgets import Blocked, Budget, spend
from keyback.portal.messages.queue import MessageKind, enqueue
from keyback.portal.organizations.models import Forest, Organization
from keyback.portal.organizations.setup import administrators
from keyback.portal.people.groups import within
from keyback.portal.people.models import Person, Spelling, SyncRun
from keyback.protocol.messages import Span

__all__ = ["ALWAYS", "Settled", "confirm", "held", "mark_gone", "mark_missing", "settle", "some_of"]

ALWAYS = 5
"""So many may go within 24 hours in any forest, however small."""

_WINDOW = timedelta(hours=24)

HELD_TOLD = Budget("removals_held_told", 1, _WINDOW)


@dataclass(frozen=True, slots=True)
class Settled:
    removed: int = 0
    held: int = 0


def mark_gone(run: SyncRun, objects: list[UUID], now: datetime) -> None:
    """These are not in scope any more."""
    _present(run).filter(object_guid__in=objects, missing_at__isnull=True).update(missing_at=now)


def mark_missing(run: SyncRun, span: Span, now: datetime) -> list[UUID]:
    """Whoever is known here and not in this span has gone, unless they were told of since the run began; whoever was
    missing and is in it is back. Returns what is in it and not known."""
    there = set(span.objects)
    present = within(_present(run), span)
    known = set(present.values_list("object_guid", flat=True))
    told = Q(seen_at__gte=run.started_at)
    _mark(present.filter(missing_at__isnull=True).exclude(told), known - there, now)
    missing = set(present.filter(missing_at__isnull=False).values_list("object_guid", flat=True))
    _mark(present, missing & there, None)
    return [guid for guid in span.objects if guid not in known]


def settle(run: SyncRun, actor: str, now: datetime) -> Settled:
    """Removes the missing of this run's forest where they are few; says how many are held back otherwise."""
    count = _count_missing(run)
    if not count:
        return Settled()
    missing = _missing(run.organization_id, run.forest_id)
    recent = now - _WINDOW
    everybody = Person.objects.filter(organization_id=run.organization_id, forest_id=run.forest_id)
    gone = everybody.filter(missing_at__isnull=False, removed_at__gt=recent).count()
    people = everybody.filter(removed_at__isnull=True).count() + gone
    share = Organization.objects.values_list("removal_share", flat=True).get(pk=run.organization_id)
    if count + gone > max(ALWAYS, people * share // 100):
        if missing.filter(missing_at=now).exists():
            write(
                run.organization_id,
                Activity.PEOPLE_REMOVALS_HELD,
                result=Result.REFUSED,
                actor=actor,
                now=now,
                details={"forest": str(run.forest_id), "people": count},
            )
            _tell_administrators(run, now)
        return Settled(held=count)
    return Settled(removed=_remove(run.organization_id, missing, now))


def _count_missing(run: SyncRun) -> int:
    """Written out: every push asks it."""
    with connection.cursor() as cursor:
        cursor.execute(_MISSING, sql.values(organization=run.organization_id, forest=run.forest_id))
        return int(cursor.fetchone()[0])


_MISSING = f"""
SELECT count(*) FROM {Person._meta.db_table}
WHERE organization_id = %(organization)s AND forest_id = %(forest)s AND missing_at IS NOT NULL AND removed_at IS NULL
"""  # noqa: S608 — table names


def _tell_administrators(run: SyncRun, now: datetime) -> None:
    """By mail, once a day for each forest: an exodus comes in many pushes."""
    organization = run.organization
    try:
        spend(organization.pk, HELD_TOLD, str(run.forest_id), now=now)
    except Blocked:
        return
    for administrator, address in administrators(organization):
        enqueue(
            organization,
            kind=MessageKind.REMOVALS_HELD,
            to=address,
            language=administrator.language,
            context={"forest": run.forest.name, "slug": organization.slug},
            now=now,
        )


def held(organization: Organization) -> list[tuple[Forest, int]]:
    """The forests of which people are missing and not removed, and how many."""
    counts = [
        (forest, _missing(organization.pk, forest.pk).count()) for forest in organization.forests.order_by("name")
    ]
    return [(forest, count) for forest, count in counts if count]


def some_of(forest: Forest) -> list[str]:
    """User IDs of a few who are missing."""
    missing = _missing(forest.organization_id, forest.pk).order_by("user_id")
    return list(missing.values_list("user_id", flat=True)[:5])


def confirm(forest: Forest, expected: int, *, by: str, now: datetime) -> int:
    """Removes everybody who is missing now. ``expected``: how many the administrator was shown; ValueError where there
    are more by now."""
    with transaction.atomic():
        missing = _missing(forest.organization_id, forest.pk).select_for_update()
        count = len(missing)
        if count > expected:
            raise ValueError(f"{count} people are missing by now, not {expected}: look again")
        write(
            forest.organization_id,
            Activity.PEOPLE_REMOVALS_CONFIRMED,
            result=Result.SUCCESS,
            actor=by,
            now=now,
            details={"forest": str(forest.pk), "people": count},
        )
        return _remove(forest.organization_id, _missing(forest.organization_id, forest.pk), now)


def _present(run: SyncRun) -> QuerySet[Person]:
    return Person.objects.filter(organization_id=run.organization_id, forest_id=run.forest_id, removed_at__isnull=True)


def _missing(organization_id: UUID, forest_id: UUID) -> QuerySet[Person]:
    return Person.objects.filter(
        organization_id=organization_id, forest_id=forest_id, missing_at__isnull=False, removed_at__isnull=True
    )


def _remove(organization_id: UUID, missing: QuerySet[Person], now: datetime) -> int:
    """Their rows stay, so that they are the same people when they come back; their spellings go, so that nobody is
    named by them."""
    Spelling.objects.filter(organization_id=organization_id, person__in=missing).delete()
    return missing.update(removed_at=now)


def _mark(people: QuerySet[Person], guids: Collection[UUID | None], missing_at: datetime | None) -> None:
    objects = list(guids)
    for start in range(0, len(objects), 1000):
        people.filter(object_guid__in=objects[start : start + 1000]).update(missing_at=missing_at)
