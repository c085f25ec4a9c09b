"""``keyback domain``: the domains of user IDs."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

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
    record, text = setup.domain_record(made)
    click.echo(f"Added {made.name}; it counts once it is verified. Publish this record:")
    click.echo(f'{record}. TXT "{text}"')
    click.echo(f"Next: keyback domain verify {slug} {made.name}")


@domain.command()
@click.argument("slug")
@click.argument("name")
@click.option("--by-operator", is_flag=True, help="You, who operate this portal, vouch for the domain; no record.")
@click.option("--server", metavar="ADDRESS[:PORT]", help="Ask this name server instead of this machine's.")
@on_portal
def verify(*, slug: str, name: str, by_operator: bool, server: str | None) -> None:
    """Let user IDs of the domain NAME count, once its DNS record is there."""
    from keyback.portal.organizations import setup
    from keyback.portal.organizations.dns import system_servers
    from keyback.portal.organizations.models import Domain

    found = Domain.objects.filter(organization=chosen_organization(slug), name=setup.normalise_domain(name)).first()
    if found is None:
        raise Refused(f"{slug} has no domain {name}; run: keyback domain add {slug} {name}")
    now = datetime.now(UTC)
    if by_operator:
        setup.verify_domain(found, by=operator(), how="operator", now=now)
    else:
        setup.verify_by_record(found, [_server(server)] if server else system_servers(), by=operator(), now=now)
    click.echo(f"Verified {found.name}.")


def _server(text: str) -> tuple[str, int]:
    """``192.0.2.53``, ``192.0.2.53:5353`` or ``[2001:db8::53]:5353``. Raises Refused."""
    try:
        place = urlsplit(f"//{text}")
        ip_address(place.hostname or "")
        return place.hostname or "", place.port or 53
    except ValueError:
        raise Refused(f"--server: {text} is not an address, or an address and a port") from None


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
