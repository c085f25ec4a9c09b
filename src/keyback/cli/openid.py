"""``keyback openid``: signing in through the organization's OpenID Connect provider."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from keyback.cli.portal import Refused, chosen_organization, json_option, on_portal, operator, show

__all__ = ["openid"]


@click.group()
def openid() -> None:
    """Signing in through an OpenID Connect provider."""


@openid.command("set")
@click.argument("slug")
@click.option("--issuer", required=True, metavar="URL", help="As the provider calls itself.")
@click.option("--client-id", required=True, help="What the provider calls this portal.")
@click.option(
    "--secret-file",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A file that holds the client's secret and nothing else.",
)
@click.option("--domain", "domains", multiple=True, required=True, help="Whose people sign in there; may be repeated.")
@click.option("--claim", default="preferred_username", show_default=True, help="What of the ID token is the user ID.")
@on_portal
def set_(*, slug: str, issuer: str, client_id: str, secret_file: Path, domains: tuple[str, ...], claim: str) -> None:
    """Let the people of these domains of SLUG sign in there."""
    from keyback.portal.account import providers

    organization = chosen_organization(slug)
    secret = secret_file.read_text("utf-8").strip()
    providers.set_provider(
        organization,
        issuer,
        client_id=client_id,
        secret=secret,
        domains=domains,
        claim=claim,
        by=operator(),
        now=datetime.now(UTC),
    )
    click.echo(f"People of {', '.join(domains)} sign in at {issuer}.")
    click.echo(f"The provider must send them back to: {providers.return_address()}")


@openid.command()
@click.argument("slug")
@on_portal
def remove(*, slug: str) -> None:
    """Let everybody of SLUG sign in here again."""
    from keyback.portal.account import providers

    if not providers.remove_provider(chosen_organization(slug), by=operator(), now=datetime.now(UTC)):
        raise Refused(f"{slug} has no provider")
    click.echo("Removed.")


@openid.command("show")
@click.argument("slug")
@json_option
@on_portal
def show_(*, slug: str, as_json: bool) -> None:
    """What is set, without the secret."""
    from keyback.portal.account.models import Provider

    rows = [
        {"issuer": row.issuer, "client_id": row.client_id, "claim": row.claim, "domains": ", ".join(row.domains)}
        for row in Provider.objects.filter(organization=chosen_organization(slug))
    ]
    show(rows, ["issuer", "client_id", "claim", "domains"], as_json=as_json)
