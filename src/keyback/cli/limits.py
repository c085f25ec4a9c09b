"""``keyback limits``: how often something may be tried, what is closed, and opening it again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from keyback.cli.portal import Refused, chosen_organization, chosen_person, json_option, on_portal, operator, show

if TYPE_CHECKING:
    from keyback.portal.limits.budgets import Budget

__all__ = ["limits"]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class _Duration(click.ParamType[timedelta]):
    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        text = str(value)
        if text[-1:] not in _UNITS or not text[:-1].isascii() or not text[:-1].isdigit() or len(text) > 9:
            self.fail(f"{text!r} is not a duration such as 90s, 10m, 24h or 7d", param, ctx)
        return timedelta(seconds=int(text[:-1]) * _UNITS[text[-1]])


@click.group()
def limits() -> None:
    """How often something may be tried, and what is closed."""


@limits.command("show")
@click.argument("slug")
@json_option
@on_portal
def show_(*, slug: str, as_json: bool) -> None:
    """The numbers that hold for the organization SLUG."""
    from keyback.portal.limits.settings import known, numbers

    organization = chosen_organization(slug)
    usual = known()
    rows = [{**_row(budget), "own": budget != usual[name]} for name, budget in numbers(organization).items()]
    show(rows, ["name", "limit", "window", "block", "own"], as_json=as_json)
    if not as_json:
        click.echo(f"What is counted for a person is counted for each {organization.limit_profile}.", err=True)


@limits.command("set")
@click.argument("slug")
@click.argument("name")
@click.option("--limit", type=int, help="Tries within the window.")
@click.option("--window", type=_Duration(), help="Such as 10m or 24h; it begins with the first try.")
@click.option("--block", type=_Duration(), help="For how long it is closed then; 0s: until the window ends.")
@click.option("--usual", is_flag=True, help="Back to the usual numbers.")
@on_portal
def set_(
    *, slug: str, name: str, limit: int | None, window: timedelta | None, block: timedelta | None, usual: bool
) -> None:
    """Give the limit NAME other numbers in the organization SLUG; what is left out stays as it is."""
    from keyback.portal.limits import settings

    organization, now = chosen_organization(slug), datetime.now(UTC)
    if usual == (limit is not None or window is not None or block is not None):
        raise Refused("give --limit, --window or --block, or else --usual")
    if usual:
        found = settings.reset(organization, name, by=operator(), now=now)
    else:
        found = settings.change(organization, name, limit=limit, window=window, block=block, by=operator(), now=now)
    row = _row(found)
    click.echo(f"{name}: {row['limit']} in {row['window']}, then closed for {row['block']}")


@limits.command("list")
@click.argument("slug")
@click.option("--person", metavar="USER_ID", help="Only what is about this person, or this text where nobody has it.")
@click.option("--address", metavar="IP", help="Only what is about this address.")
@json_option
@on_portal
def list_(*, slug: str, person: str | None, address: str | None, as_json: bool) -> None:
    """What is closed now in the organization SLUG, and until when."""
    from keyback.portal.limits.settings import blocks
    from keyback.portal.recovery.counted import named

    organization, now = chosen_organization(slug), datetime.now(UTC)
    found = list(blocks(organization, now, _about(slug, person, address)))
    names = named(organization, {block.about for block in found})
    rows = [
        {"id": block.id, "limit": block.name, "about": names.get(block.about, ""), "until": block.until}
        for block in found
    ]
    show(rows, ["id", "limit", "about", "until"], as_json=as_json)


@limits.command()
@click.argument("slug")
@click.option("--person", metavar="USER_ID", help="Everything counted about this person.")
@click.option("--address", metavar="IP", help="Everything counted about this address.")
@click.option("--id", "block_id", type=int, help="One block, by the id that `list` shows.")
@on_portal
def release(*, slug: str, person: str | None, address: str | None, block_id: int | None) -> None:
    """Open again what is closed, and forget what was counted."""
    from keyback.portal.limits import settings

    if (person is not None) + (address is not None) + (block_id is not None) != 1:
        raise Refused("give one of --person, --address and --id")
    count = settings.release(
        chosen_organization(slug),
        about=_about(slug, person, address),
        block_id=block_id,
        by=operator(),
        now=datetime.now(UTC),
    )
    click.echo(f"{count} counters are forgotten.")


def _about(slug: str, person: str | None, address: str | None) -> list[str] | None:
    from keyback.portal.limits.clients import address_block
    from keyback.portal.recovery.counted import about_person, about_text

    if address is not None:
        return [address_block(address)]
    if person is None:
        return None
    organization = chosen_organization(slug)
    try:
        found = chosen_person(person)
    except Refused:  # unknown people are counted too
        return about_text(organization, person)
    if found.organization_id != organization.id:
        raise Refused(f"{person} is not one of the people of {organization}")
    return about_person(found) + about_text(organization, person)


def _row(budget: Budget) -> dict[str, object]:
    return {
        "name": budget.name,
        "limit": budget.limit,
        "window": _spelt(budget.window),
        "block": _spelt(budget.block) if budget.block else "the rest of it",
    }


def _spelt(duration: timedelta) -> str:
    seconds = int(duration.total_seconds())
    unit = next(name for name, size in reversed(_UNITS.items()) if seconds % size == 0)
    return f"{seconds // _UNITS[unit]}{unit}"
