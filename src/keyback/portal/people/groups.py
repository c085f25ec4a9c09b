"""Groups that policies are for: those of the directories, as agents push them, and the portal's own."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q, QuerySet

from keyback.portal.people.models import GroupMember, Person

__all__ = ["groups_of"]


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
