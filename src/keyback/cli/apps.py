"""``keyback apps``: links to an organization's applications, on the home page of its people."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from keyback.cli.portal import chosen_organization, json_option, on_portal, operator, show

__all__ = ["apps"]


@click.group()
def apps() -> None:
    """Links to applications on everybody's home page."""


@apps.command()
@click.argument("slug")
@click.argument("name")
@click.argument("url")
@on_portal
def add(*, slug: str, name: str, url: str) -> None:
    """Put a link to URL, called NAME, on the home page of the organization SLUG."""
    from keyback.portal.account import applications

    made = applications.add(chosen_organization(slug), name, url, by=operator(), now=datetime.now(UTC))
    click.echo(f"Added {made.name}.")


@apps.command()
@click.argument("slug")
@click.argument("name")
@on_portal
def remove(*, slug: str, name: str) -> None:
    """Take the link called NAME away."""
    from keyback.portal.account import applications

    applications.remove(chosen_organization(slug), name, by=operator(), now=datetime.now(UTC))
    click.echo(f"Removed {name}.")


@apps.command("list")
@click.argument("slug")
@json_option
@on_portal
def list_(*, slug: str, as_json: bool) -> None:
    """All links of the organization SLUG."""
    from keyback.portal.account.models import Application

    rows = Application.objects.filter(organization=chosen_organization(slug))
    show([{"name": row.name, "url": row.url} for row in rows], ["name", "url"], as_json=as_json)
