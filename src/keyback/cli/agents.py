"""``keyback agent-code`` and ``keyback agents``: how agents join, and what they may do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

import click

from keyback.cli.portal import Refused, chosen_organization, json_option, on_portal, operator, show

if TYPE_CHECKING:
    from keyback.portal.agents.models import Agent

__all__ = ["agent_code", "agents"]


@click.group()
def agent_code() -> None:
    """One-time codes with which agents join."""


@agent_code.command()
@click.argument("slug")
@on_portal
def create(*, slug: str) -> None:
    """A code for one new agent of the organization SLUG, worth one use within an hour."""
    from keyback.portal.agents.onboarding import make_onboarding_code

    code = make_onboarding_code(chosen_organization(slug), operator(), datetime.now(UTC))
    click.echo("Type this on the agent's machine within an hour (keyback agent onboard):")
    click.echo(code)


@click.group()
def agents() -> None:
    """The agents of an organization."""


def _protocol(spoken: int | None) -> str:
    from keyback.protocol import versions
    from keyback.protocol.errors import OutOfDate

    if spoken is None:
        return ""
    try:
        versions.agreed(spoken)
    except OutOfDate:
        return f"{spoken}: out of date"
    return str(spoken)


@agents.command("list")
@click.argument("slug")
@json_option
@on_portal
def list_(*, slug: str, as_json: bool) -> None:
    """Every agent, also revoked ones."""
    found = chosen_organization(slug).agents.prefetch_related("forests__forest").order_by("state", "name")
    rows = [
        {
            "name": row.name,
            "state": row.state,
            "forests": ", ".join(link.forest.name for link in row.forests.all()),
            "last_seen": row.last_seen_at,
            "version": row.version,
            "protocol": _protocol(row.protocol),
            "fingerprint": row.fingerprint,
            "id": row.id,
            "heartbeat": row.heartbeat,
        }
        for row in found
    ]
    show(rows, ["name", "state", "forests", "last_seen", "version", "protocol", "fingerprint"], as_json=as_json)


@agents.command()
@click.argument("slug")
@click.argument("name")
@click.option(
    "--fingerprint", prompt="Fingerprint that the agent shows", help="As 'keyback agent status' shows it there."
)
@on_portal
def confirm(*, slug: str, name: str, fingerprint: str) -> None:
    """Let the agent NAME (or its id) work, after comparing its fingerprint."""
    from keyback.portal.agents.registry import confirm as confirm_agent

    waiting = [agent for agent in _named(slug, name) if agent.state == "pending"]
    if not waiting:
        raise Refused(f"no agent {name} of {slug} waits to be confirmed")
    typed = fingerprint.lower().split()
    matching = [agent for agent in waiting if agent.fingerprint.split() == typed or agent.fingerprint == fingerprint]
    if not matching:
        raise Refused("this is not the fingerprint of the agent's key; do not confirm it, and find out who made it")
    confirm_agent(matching[0], operator(), datetime.now(UTC))
    click.echo(f"{matching[0].name} is confirmed.")


@agents.command()
@click.argument("slug")
@click.argument("name")
@on_portal
def revoke(*, slug: str, name: str) -> None:
    """Shut the agent NAME (or its id) out, for good."""
    from keyback.portal.agents.registry import revoke as revoke_agent

    alive = [agent for agent in _named(slug, name) if agent.state != "revoked"]
    if not alive:
        raise Refused(f"no agent {name} of {slug} is pending or confirmed")
    if len(alive) > 1:
        raise Refused(f"{len(alive)} agents of {slug} are called {name}; give the id that 'agents list --json' shows")
    revoke_agent(alive[0], operator(), datetime.now(UTC))
    click.echo(f"{alive[0].name} is revoked.")


@agents.command()
@click.argument("slug")
@click.argument("name")
@click.argument("forest")
@on_portal
def allow(*, slug: str, name: str, forest: str) -> None:
    """Let the agent NAME (or its id) serve FOREST, which other agents served before it was added there."""
    from keyback.portal.agents.switch import ServesAlready
    from keyback.portal.agents.switch import allow as allow_forest

    organization = chosen_organization(slug)
    row = organization.forests.filter(name=forest.lower().rstrip(".")).first()
    if row is None:
        raise Refused(f"{slug} has no forest {forest}")
    confirmed = [agent for agent in _named(slug, name) if agent.state == "confirmed"]
    if len(confirmed) != 1:
        raise Refused(f"{len(confirmed)} confirmed agents of {slug} are called {name}; give the id of one")
    try:
        allow_forest(confirmed[0], row, operator(), datetime.now(UTC))
    except ServesAlready as error:
        raise Refused(str(error)) from None
    click.echo(f"{confirmed[0].name} may serve {row.name}.")


def _named(slug: str, name: str) -> list[Agent]:
    mine = chosen_organization(slug).agents.order_by("created_at")
    try:
        return list(mine.filter(pk=UUID(name)))
    except ValueError:
        return list(mine.filter(name=name))
