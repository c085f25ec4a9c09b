"""``keyback removals``: people who have gone from a directory, too many at once to be removed unasked."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from keyback.cli.portal import Refused, chosen_organization, json_option, on_portal, operator, show

__all__ = ["removals"]


@click.group()
def removals() -> None:
    """People who have gone from a directory, and wait for a word before they are removed."""


@removals.command("list")
@click.argument("slug")
@json_option
@on_portal
def list_(*, slug: str, as_json: bool) -> None:
    """How many of each forest wait, and who the first of them are."""
    from keyback.portal.people.removals import held, some_of

    organization = chosen_organization(slug)
    rows = [
        {"forest": forest.name, "people": count, "such as": ", ".join(some_of(forest))}
        for forest, count in held(organization)
    ]
    if not rows and not as_json:
        click.echo("Nobody waits to be removed.")
        return
    show(rows, ["forest", "people", "such as"], as_json=as_json)


@removals.command()
@click.argument("slug")
@click.argument("forest")
@click.option("--expect", type=click.IntRange(1), required=True, help="How many 'list' has shown; not one more goes.")
@on_portal
def confirm(*, slug: str, forest: str, expect: int) -> None:
    """Remove those who wait. They are the same people again, with all they registered, should they come back."""
    from keyback.portal.people import removals as waiting

    organization = chosen_organization(slug)
    found = next((one for one, _ in waiting.held(organization) if one.name == forest.lower()), None)
    if found is None:
        raise Refused(f"nobody of {forest} waits to be removed")
    try:
        count = waiting.confirm(found, expect, by=operator(), now=datetime.now(UTC))
    except ValueError as error:
        raise Refused(str(error)) from None
    click.echo(f"{count} people of {found.name} were removed.")
