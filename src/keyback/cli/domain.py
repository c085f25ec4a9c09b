"""``keyback domain``: the domains of user IDs."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from keyback.cli.portal import Refused, chosen_organization, json_option, on_portal, operator, show

__all__ = ["domain"]


@click.group()
def domain() -> None:
    """Domains of user IDs: each belongs to one organization, and counts once it is verified."""


@domain.command()
@click.argument("slug")
@click.argument("name")
@on_portal
def add(*, slug: str, name: str) -> None:
    """Give the organization SLUG the domain NAME."""
    from keyback.portal.organizations import setup

    made = setup.add_domain(chosen_organization(slug), name, by=operator(), now=datetime.now(UTC))
    click.echo(f"Added {made.name}; it counts once it is verified.")
    click.echo(f"Next: keyback domain verify {slug} {made.name} --by-operator")


@domain.command()
@click.argument("slug")
@click.argument("name")
@click.option("--by-operator", is_flag=True, help="You, who operate this portal, vouch for the domain.")
@on_portal
def verify(*, slug: str, name: str, by_operator: bool) -> None:
    """Let user IDs of the domain NAME count."""
    from keyback.portal.organizations import setup
    from keyback.portal.organizations.models import Domain

    if not by_operator:
        raise Refused("a domain is verified by who operates this portal: add --by-operator if it is theirs")
    found = Domain.objects.filter(organization=chosen_organization(slug), name=setup.normalise_domain(name)).first()
    if found is None:
        raise Refused(f"{slug} has no domain {name}; run: keyback domain add {slug} {name}")
    setup.verify_domain(found, by=operator(), how="operator", now=datetime.now(UTC))
    click.echo(f"Verified {found.name}.")


@domain.command("list")
@click.argument("slug")
@json_option
@on_portal
def list_(*, slug: str, as_json: bool) -> None:
    """The domains of the organization SLUG."""
    found = chosen_organization(slug).domains.order_by("name")
    rows = [
        {"domain": row.name, "verified": row.verified_at is not None, "at": row.verified_at, "by": row.verified_by}
        for row in found
    ]
    show(rows, ["domain", "verified", "at", "by"], as_json=as_json)
