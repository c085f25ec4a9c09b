"""Accounts that cannot be told apart: found and reported, never guessed.

One source anchor on two enabled accounts, of one forest or of two, means that nobody knows which of them a password is
for: neither is written. A user ID that two people have names neither (organizations.lookup). An account that was made
again under its old user ID is another one and inherits nothing, which is reported too, since it surprises people.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from uuid import UUID

from django.db.models import QuerySet

from keyback.portal.people.bulk import lookup
from keyback.portal.people.models import Person
from keyback.portal.people.records import PushedPerson
from keyback.protocol.messages import Conflict

__all__ = ["conflicts_of", "is_ambiguous"]

_MOST = 200
"""As many are told at a time."""

_Person = Person | PushedPerson

_Row = tuple[UUID, UUID, str, bool, bool]
"""Primary key, objectGUID, name of the forest, enabled, gone."""


def is_ambiguous(person: Person) -> bool:
    """Whether another enabled account carries this person's source anchor."""
    same = Person.objects.filter(
        organization_id=person.organization_id, anchor=person.anchor, enabled=True, removed_at__isnull=True
    )
    return bool(person.anchor) and person.enabled and same.exclude(pk=person.pk).exists()


def conflicts_of(organization_id: UUID, people: Sequence[_Person], *, new: Collection[UUID] = ()) -> list[Conflict]:
    """The conflicts that these directory people have with anybody. Two queries where there are none, four where there
    are, however many people these are. ``new``: keys of those who arrive now, of whom it is told that they were made
    again."""
    anchors = _shared(organization_id, "anchor", {p.anchor for p in people if p.anchor})
    user_ids = _shared(organization_id, "user_id", {p.user_id for p in people})
    if not anchors and not user_ids:
        return []
    directory = Person.objects.filter(organization_id=organization_id, object_guid__isnull=False)
    same_anchor = _by("anchor", directory.filter(anchor__in=anchors, enabled=True, removed_at__isnull=True))
    same_user_id = _by("user_id", directory.filter(user_id__in=user_ids))
    found = (
        conflict
        for person in people
        for conflict in (
            *_anchors(person, same_anchor.get(person.anchor, [])),
            *_user_ids(person, same_user_id.get(person.user_id, []), is_new=person.id in new),
        )
    )
    return [conflict for conflict, _ in zip(found, range(_MOST), strict=False)]


def _shared(organization_id: UUID, name: str, values: Collection[str]) -> list[str]:
    """Those of these values that more than one person has."""
    found = Counter(value for (value,) in lookup(Person, [name], name, values, organization_id=organization_id))
    return [value for value, times in found.items() if times > 1]


def _by(name: str, people: QuerySet[Person]) -> dict[str, list[_Row]]:
    """Whoever shares a value of this field, by the value."""
    found: dict[str, list[_Row]] = {}
    rows = people.values_list(name, "pk", "object_guid", "forest__name", "enabled", "missing_at", "removed_at")
    for value, key, guid, forest, enabled, missing_at, removed_at in rows.order_by("pk"):
        gone = missing_at is not None or removed_at is not None
        found.setdefault(value, []).append((key, guid, forest or "", enabled, gone))
    return found


def _anchors(person: _Person, rows: list[_Row]) -> Iterator[Conflict]:
    if not person.enabled or not person.object_guid:
        return
    for key, guid, forest, _, _ in rows:
        if key != person.id:
            yield Conflict(kind="anchor", object_guid=person.object_guid, other=guid, other_forest=forest)


def _user_ids(person: _Person, rows: list[_Row], *, is_new: bool) -> Iterator[Conflict]:
    if not person.object_guid:
        return
    for key, guid, forest, enabled, gone in rows:
        if key == person.id:
            continue
        if gone:
            if not is_new:
                continue
            yield Conflict(kind="made_again", object_guid=person.object_guid, other=guid, other_forest=forest)
        elif enabled and person.enabled:
            yield Conflict(kind="user_id", object_guid=person.object_guid, other=guid, other_forest=forest)
