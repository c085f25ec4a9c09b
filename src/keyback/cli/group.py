"""``keyback group``: the portal's own groups, and those of the directories."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from keyback.cli.portal import Refused, chosen_organization, chosen_person, json_option, on_portal, operator, show

if TYPE_CHECKING:
    from keyback.portal.people.models import Group, Person

__all__ = ["chosen_group", "group"]


def chosen_group(slug: str, name: str) -> Group:
    """By its name, ``forest\\name`` or id. Raises Refused."""
    from keyback.portal.people.models import Group
    from keyback.portal.people.policy_changes import groups_by_name

    organization = chosen_organization(slug)
    found = groups_by_name(organization).get(name)
    if found is None:
        raise Refused(f"{organization} has no group, or more than one, called {name!r} (see 'keyback group list')")
    return Group.objects.select_related("organization").get(id=found)


@click.group()
def group() -> None:
    """Groups that policies are for."""


@group.command("list")
@click.argument("slug")
@json_option
@on_portal
def list_(*, slug: str, as_json: bool) -> None:
    """The groups of the organization SLUG, as policies name them."""
    from django.db.models import Count

    from keyback.portal.people.models import Group
    from keyback.portal.people.policy_changes import group_names

    organization = chosen_organization(slug)
    names = group_names(organization)
    counted = Group.objects.filter(organization=organization).annotate(members_count=Count("members"))
    rows = [
        {
            "name": names[row.id],
            "forest": row.forest.name if row.forest else "",
            "members": row.members_count,
            "removed": row.removed_at,
            "id": row.id,
        }
        for row in counted.select_related("forest").order_by("name", "id")
    ]
    show(rows, ["name", "forest", "members", "removed"], as_json=as_json)


@group.command()
@click.argument("slug")
@click.argument("name")
@on_portal
def create(*, slug: str, name: str) -> None:
    """Make a group of the portal's own, empty."""
    from keyback.portal.people import own_groups

    made = own_groups.create(chosen_organization(slug), name, by=operator(), now=datetime.now(UTC))
    click.echo(f"Made {made.name}.")


@group.command()
@click.argument("slug")
@click.argument("name")
@on_portal
def delete(*, slug: str, name: str) -> None:
    """Remove a group of the portal's own that no policy is for."""
    from keyback.portal.people import own_groups

    own_groups.delete(chosen_group(slug, name), by=operator(), now=datetime.now(UTC))
    click.echo(f"Removed {name}.")


_as_group = click.option("--group", "is_group", is_flag=True, help="MEMBER is a group, whose members are in it too.")


@group.command()
@click.argument("slug")
@click.argument("name")
@click.argument("member")
@_as_group
@on_portal
def add(*, slug: str, name: str, member: str, is_group: bool) -> None:
    """Put MEMBER, a person or a group, into the group NAME."""
    from keyback.portal.people import own_groups

    made = own_groups.add(
        chosen_group(slug, name), _member(slug, member, is_group), by=operator(), now=datetime.now(UTC)
    )
    click.echo(f"{member} is in {name} now." if made else f"{member} was in {name} already.")


@group.command()
@click.argument("slug")
@click.argument("name")
@click.argument("member")
@_as_group
@on_portal
def remove(*, slug: str, name: str, member: str, is_group: bool) -> None:
    """Take MEMBER out of the group NAME."""
    from keyback.portal.people import own_groups

    if not own_groups.remove(
        chosen_group(slug, name), _member(slug, member, is_group), by=operator(), now=datetime.now(UTC)
    ):
        raise Refused(f"{member} is not in {name} by itself")
    click.echo(f"{member} is not in {name} any more.")


def _member(slug: str, member: str, is_group: bool) -> Person | Group:
    return chosen_group(slug, member) if is_group else chosen_person(member)
