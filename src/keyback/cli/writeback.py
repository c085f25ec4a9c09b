"""``keyback writeback``: the portal's own switch for resets of directory people."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from keyback.cli.portal import Refused, chosen_organization, json_option, on_portal, operator, show

if TYPE_CHECKING:
    from keyback.portal.organizations.models import Forest, Organization

__all__ = ["writeback"]

_forest_option = click.option("--forest", help="Only this one, by its DNS name; all if left out.")


@click.group()
def writeback() -> None:
    """Whether passwords of directory people are written back. Synchronisation goes on either way."""


@writeback.command()
@click.argument("slug")
@_forest_option
@on_portal
def on(*, slug: str, forest: str | None) -> None:
    """Let people of the organization SLUG reset again. Its agents make new keys within half a minute."""
    _switch(slug, forest, on=True)


@writeback.command()
@click.argument("slug")
@_forest_option
@on_portal
def off(*, slug: str, forest: str | None) -> None:
    """Let nobody of the organization SLUG reset (SSPR_0010), from now on. Its agents destroy their keys."""
    _switch(slug, forest, on=False)


def _switch(slug: str, name: str | None, *, on: bool) -> None:
    from keyback.portal.agents.switch import switch

    organization = chosen_organization(slug)
    chosen = _forests(organization, name)
    changed = {forest.pk for forest in switch(organization, chosen, operator(), datetime.now(UTC), on=on)}
    for forest in chosen:
        already = "" if forest.pk in changed else " already"
        click.echo(f"{forest.name}: writeback is {'on' if on else 'off'}{already}.")


@writeback.command()
@click.argument("slug")
@_forest_option
@json_option
@on_portal
def status(*, slug: str, forest: str | None, as_json: bool) -> None:
    """The portal's switch for each forest, and that of each agent which serves it."""
    from keyback.portal.agents.models import Agent, AgentForest

    organization = chosen_organization(slug)
    rows: list[dict[str, object]] = []
    for one in _forests(organization, forest):
        links = (
            AgentForest.objects.filter(forest=one)
            .exclude(agent__state=Agent.State.REVOKED)
            .select_related("agent")
            .order_by("agent__name", "agent_id")
        )
        agents = [f"{link.agent.name}: {'on' if link.writeback else 'off'}, {link.agent.state}" for link in links]
        portal = "on" if one.writeback else "off"
        rows += [{"forest": one.name, "portal": portal, "agent": agent} for agent in agents or ["none"]]
    show(rows, ["forest", "portal", "agent"], as_json=as_json)


def _forests(organization: Organization, name: str | None) -> list[Forest]:
    found = list(organization.forests.order_by("name"))
    if name is not None:
        found = [forest for forest in found if forest.name == name.lower().rstrip(".")]
    if not found:
        raise Refused(f"{organization.slug} has no forest{f' {name}' if name else ''}; an agent brings it")
    return found
