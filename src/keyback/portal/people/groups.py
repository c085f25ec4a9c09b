"""Groups that policies are for: those of the directories, as agents push them, and the portal's own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet

from keyback.portal.people.bulk import insert
from keyback.portal.people.models import Group, GroupMember, Person, SyncRun
from keyback.protocol.messages import GroupRecord, Span

__all__ = ["groups_of", "mark_gone", "mark_missing", "take", "within"]

M = TypeVar("M", bound=Model)


def groups_of(person: Person) -> frozenset[UUID]:
    """Primary keys of every group that this person is in, directly or through other groups.

    One query for each level of nesting; groups that contain each other are harmless. A directory's membership counts
    within its own forest only.
    """
    members = GroupMember.objects.filter(organization_id=person.organization_id, group__removed_at__isnull=True)
    mine = Q(person=person)
    if person.object_guid is not None and person.forest_id is not None:
        mine |= Q(object_guid=person.object_guid, group__forest_id=person.forest_id)
    found: set[UUID] = set()
    level = _groups(members, mine)
    while level:
        found |= level.keys()
        above = Q(member_group__in=level)
        for forest_id in {forest for forest, _ in level.values() if forest is not None}:
            objects = [guid for forest, guid in level.values() if forest == forest_id]
            above |= Q(object_guid__in=objects, group__forest_id=forest_id)
        level = {key: place for key, place in _groups(members, above).items() if key not in found}
    return frozenset(found)


def _groups(members: QuerySet[GroupMember], condition: Q) -> dict[UUID, tuple[UUID | None, UUID | None]]:
    """Forest and objectGUID of the groups with such a member, by primary key."""
    rows = members.filter(condition).values_list("group_id", "group__forest_id", "group__object_guid").distinct()
    return {key: (forest_id, guid) for key, forest_id, guid in rows}


def take(run: SyncRun, records: Sequence[GroupRecord]) -> None:
    """Writes groups as an agent pushed them: what differs of their names and members."""
    if not records:
        return
    known = {
        group.object_guid: group
        for group in _of_forest(run).filter(object_guid__in={record.object_guid for record in records})
    }
    for record in records:
        group = known.get(record.object_guid)
        name = "".join(c for c in record.name if c.isprintable())
        if group is None:
            group = Group(
                organization_id=run.organization_id, forest_id=run.forest_id, object_guid=record.object_guid, name=name
            )
            group.save(force_insert=True)
            known[record.object_guid] = group
        elif group.name != name or group.removed_at is not None:
            group.name, group.removed_at = name, None
            group.save(update_fields=["name", "removed_at"])
        _take_members(group, record.members)


def _take_members(group: Group, span: Span) -> None:
    """Reads the members that this span is about; writes only who came and who left."""
    there = set(span.objects)
    gone: list[int] = []
    for key, guid in within(GroupMember.objects.filter(group=group, object_guid__isnull=False), span).values_list(
        "pk", "object_guid"
    ):
        if guid in there:
            there.discard(guid)
        else:
            gone.append(key)
    for start in range(0, len(gone), 1000):
        GroupMember.objects.filter(pk__in=gone[start : start + 1000]).delete()
    insert(
        GroupMember,
        ("organization_id", "group_id", "object_guid"),
        [(group.organization_id, group.pk, guid) for guid in there],
    )


def mark_gone(run: SyncRun, objects: list[UUID], now: datetime) -> None:
    """These groups are not in scope any more: they have no members from the directory."""
    _forget(_of_forest(run).filter(object_guid__in=objects, removed_at__isnull=True), now)


def mark_missing(run: SyncRun, span: Span, now: datetime) -> list[UUID]:
    """Groups that are known here and not in this span have gone. Returns what is in it and not known."""
    there = set(span.objects)
    gone: list[UUID] = []
    for key, guid in within(_of_forest(run).filter(removed_at__isnull=True), span).values_list("pk", "object_guid"):
        if guid in there:
            there.discard(guid)
        else:
            gone.append(key)
    for start in range(0, len(gone), 1000):
        _forget(Group.objects.filter(pk__in=gone[start : start + 1000]), now)
    return [guid for guid in span.objects if guid in there]


def _forget(groups: QuerySet[Group], now: datetime) -> None:
    GroupMember.objects.filter(group__in=groups, object_guid__isnull=False).delete()
    groups.update(removed_at=now)


def _of_forest(run: SyncRun) -> QuerySet[Group]:
    return Group.objects.filter(organization_id=run.organization_id, forest_id=run.forest_id)


def within(rows: QuerySet[M], span: Span) -> QuerySet[M]:
    """Those whose objectGUID lies in this span."""
    if span.after is not None:
        rows = rows.filter(object_guid__gt=span.after)
    if span.until is not None:
        rows = rows.filter(object_guid__lte=span.until)
    return rows
