"""``keyback seats``: licences, where an organization counts them."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from keyback.cli.group import chosen_group
from keyback.cli.portal import Refused, chosen_organization, chosen_person, json_option, on_portal, operator, show

__all__ = ["seats"]


@click.group()
def seats() -> None:
    """Who may use this where licences are counted: people one by one, and members of groups as they come."""


@seats.command("set")
@click.argument("slug")
@click.option("--count", type=click.IntRange(0, 10_000_000), help="How many seats there are.")
@click.option("--unlimited", is_flag=True, help="Seats are not counted.")
@click.option("--group", "groups", multiple=True, help="Its members take a seat when they need one. All others go.")
@click.option("--no-groups", is_flag=True, help="Seats are given one by one only.")
@on_portal
def set_(*, slug: str, count: int | None, unlimited: bool, groups: tuple[str, ...], no_groups: bool) -> None:
    """How many seats the organization SLUG has, and whose members take them."""
    from keyback.portal.organizations.setup import change

    if (count is not None and unlimited) or (groups and no_groups):
        raise Refused("--count and --unlimited, --group and --no-groups exclude each other")
    changes: dict[str, object] = {}
    if count is not None or unlimited:
        changes["seats"] = count
    if groups or no_groups:
        changes["seat_groups"] = [str(chosen_group(slug, name).id) for name in dict.fromkeys(groups)]
    if not changes:
        raise Refused("nothing to set (see 'keyback seats set --help')")
    organization = chosen_organization(slug)
    change(organization, changes, by=operator(), now=datetime.now(UTC))
    _state(slug)


@seats.command("list")
@click.argument("slug")
@json_option
@on_portal
def list_(*, slug: str, as_json: bool) -> None:
    """Who has a seat in the organization SLUG, and through which group."""
    from keyback.portal.people.models import Seat
    from keyback.portal.people.policy_changes import group_names

    organization = chosen_organization(slug)
    names = group_names(organization)
    rows = [
        {
            "user_id": row.person.user_id,
            "through": "-" if row.group_id is None else names.get(row.group_id, str(row.group_id)),
            "since": row.taken_at,
        }
        for row in Seat.objects.filter(organization=organization).select_related("person").order_by("person__user_id")
    ]
    show(rows, ["user_id", "through", "since"], as_json=as_json)
    if not as_json:
        _state(slug)


@seats.command()
@click.argument("user_id")
@on_portal
def give(*, user_id: str) -> None:
    """Give USER_ID a seat, whatever group they are in."""
    from keyback.portal.people import seats

    seats.give(chosen_person(user_id), by=operator(), now=datetime.now(UTC))
    click.echo(f"{user_id} has a seat.")


@seats.command()
@click.argument("user_id")
@on_portal
def take(*, user_id: str) -> None:
    """Take the seat of USER_ID away."""
    from keyback.portal.people import seats

    if not seats.release(chosen_person(user_id), by=operator(), now=datetime.now(UTC)):
        raise Refused(f"{user_id} has no seat")
    click.echo(f"{user_id} has no seat any more.")


@seats.command()
@click.argument("slug")
@on_portal
def tidy(*, slug: str) -> None:
    """Take back the seats of people who left the directory, or the group through which they had one."""
    from keyback.portal.people import seats

    count = seats.release_unused(chosen_organization(slug), by=operator(), now=datetime.now(UTC))
    click.echo(f"{count} seats are free again.")


def _state(slug: str) -> None:
    from keyback.portal.people.models import Seat

    organization = chosen_organization(slug)
    taken = Seat.objects.filter(organization=organization).count()
    of = "seats are not counted" if organization.seats is None else f"of {organization.seats} seats"
    click.echo(f"{taken} taken, {of}", err=True)
    if organization.seats is not None and taken > organization.seats:
        click.echo("keyback: more are taken than there are; nobody loses one by that, and nobody gets one", err=True)
