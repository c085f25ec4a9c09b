"""The portal's own groups: of cloud people, and of whoever else an organization puts into them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from keyback.errors import KeybackError
from keyback.portal.audit.words import Activity, Result
from keyback.portal.audit.writer import write
from keyback.portal.organizations.models import Organization
from keyback.portal.people.models import Group, GroupMember, Person, Policy

__all__ = ["GroupRefused", "add", "create", "delete", "remove"]


class GroupRefused(KeybackError):
    """This cannot be done to a group; the text says why."""

    code = "group_refused"


def create(organization: Organization, name: str, *, by: str, now: datetime) -> Group:
    """Empty. Raises GroupRefused for a name that is taken, or none."""
    name = name.strip()
    if not 0 < len(name) <= 100 or not name.isprintable():
        raise GroupRefused("a group has a name of at most 100 printable characters")
    with transaction.atomic():
        Organization.objects.select_for_update(no_key=True).get(id=organization.id)
        if Group.objects.filter(organization=organization, name=name, forest=None).exists():
            raise GroupRefused(f"there is a group {name!r} already")
        group = Group.objects.create(organization=organization, name=name)
        _write(group, Activity.GROUP_CREATED, by, now)
    return group


def delete(group: Group, *, by: str, now: datetime) -> None:
    """Raises GroupRefused for one of a directory, and while a policy or the seats are for it."""
    _own(group)
    with transaction.atomic():
        organization = Organization.objects.select_for_update(no_key=True).get(id=group.organization_id)
        for policy in Policy.objects.filter(organization=organization):
            if str(group.id) in (policy.groups or []):
                raise GroupRefused(f"the policy {policy.name!r} is for {group.name}")
        if str(group.id) in organization.seat_groups:
            raise GroupRefused(f"the members of {group.name} may take seats")
        _write(group, Activity.GROUP_REMOVED, by, now)
        group.delete()


def add(group: Group, member: Person | Group, *, by: str, now: datetime) -> bool:
    """Whether they were not in it yet. Raises GroupRefused for a group of a directory, which says itself who is in it,
    and for a member of another organization."""
    _own(group)
    if member.organization_id != group.organization_id:
        raise GroupRefused(f"{_name(member)} belongs to another organization")
    with transaction.atomic():
        _row, made = GroupMember.objects.get_or_create(
            organization_id=group.organization_id, group=group, **_field(member)
        )
        if made:
            _write(group, Activity.GROUP_CHANGED, by, now, added=str(member.id))
    return made


def remove(group: Group, member: Person | Group, *, by: str, now: datetime) -> bool:
    """Whether they were in it. Raises GroupRefused for a group of a directory."""
    _own(group)
    with transaction.atomic():
        gone = GroupMember.objects.filter(group=group, **_field(member)).delete()[0] > 0
        if gone:
            _write(group, Activity.GROUP_CHANGED, by, now, removed=str(member.id))
    return gone


def _field(member: Person | Group) -> dict[str, Any]:
    return {"person" if isinstance(member, Person) else "member_group": member}


def _own(group: Group) -> None:
    if group.forest_id is not None:
        raise GroupRefused(f"{group.name} is a group of a directory: change it there")


def _name(member: Person | Group) -> str:
    return member.user_id if isinstance(member, Person) else member.name


def _write(group: Group, activity: Activity, by: str, now: datetime, **details: str) -> None:
    write(
        group.organization_id,
        activity,
        result=Result.SUCCESS,
        actor=by,
        now=now,
        details={"group": group.name, "id": str(group.id), **details},
    )
