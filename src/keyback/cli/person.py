"""``keyback person``: people as the portal knows them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from keyback.cli.portal import (
    Refused,
    chosen_organization,
    chosen_person,
    json_option,
    new_password,
    on_portal,
    operator,
    show,
)

if TYPE_CHECKING:
    from keyback.portal.people.models import Person

__all__ = ["person"]


@click.group()
def person() -> None:
    """People as the portal knows them."""


@person.command()
@click.argument("slug")
@click.argument("user_id")
@click.option("--name", default="", help="Their name, as mails and pages show it.")
@click.option("--mail", multiple=True, metavar="ADDRESS", help="Where codes are sent.")
@click.option("--password", "ask", is_flag=True, help="Ask for a first password.")
@click.option("--password-stdin", is_flag=True, help="Read a first password from standard input.")
@on_portal
def add(*, slug: str, user_id: str, name: str, mail: tuple[str, ...], ask: bool, password_stdin: bool) -> None:
    """Make a person of the organization SLUG whose password the portal keeps."""
    from django.db import transaction

    from keyback.portal.people.cloud import findings, set_password
    from keyback.portal.people.create import create_cloud_person

    organization, now = chosen_organization(slug), datetime.now(UTC)
    password = new_password(from_stdin=password_stdin) if ask or password_stdin else None
    with transaction.atomic():
        made = create_cloud_person(organization, user_id, display_name=name, by=operator(), now=now)
        for address in mail:
            _add_mail(made, address, now)
        if password is not None:
            if broken := findings(made, password):
                raise Refused(" ".join(finding.sentence for finding in broken))
            set_password(made, password, now)
    click.echo(f"Made {made.user_id}.")
    _warn_of_own(made, mail)


@person.command("list")
@click.argument("slug")
@click.option("--all", "everybody", is_flag=True, help="Disabled and removed people too.")
@json_option
@on_portal
def list_(*, slug: str, everybody: bool, as_json: bool) -> None:
    """The people of the organization SLUG."""
    found = chosen_organization(slug).people.select_related("forest").order_by("user_id")
    if not everybody:
        found = found.filter(enabled=True, removed_at__isnull=True)
    rows = (
        {
            "user_id": row.user_id,
            "name": row.display_name,
            "source": row.source,
            "forest": row.forest.name if row.forest else "",
            "enabled": row.enabled and row.removed_at is None,
            "id": row.id,
        }
        for row in found.iterator()
    )
    show(list(rows), ["user_id", "name", "source", "forest", "enabled"], as_json=as_json)


@person.command("show")
@click.argument("user_id")
@json_option
@on_portal
def show_(*, user_id: str, as_json: bool) -> None:
    """What the portal knows about one person. Addresses are shown in full."""
    from keyback.portal.account.kinds import kind_of
    from keyback.portal.people.contacts import mails_of, phones_of
    from keyback.portal.people.models import ContactDatum

    found = chosen_person(user_id)
    known = {
        "user_id": found.user_id,
        "name": found.display_name,
        "organization": found.organization.name,
        "source": found.source,
        "kind": kind_of(found),
        "forest": found.forest.name if found.forest else None,
        "object_guid": found.object_guid,
        "enabled": found.enabled,
        "last_seen": found.seen_at,
        "removed": found.removed_at,
        "spellings": sorted(found.spellings.values_list("text", flat=True)),
        "mail": [f"{address} ({datum.origin})" for datum, address in mails_of(found)],
        "mobile": [f"{number} ({datum.origin})" for datum, number in phones_of(found, ContactDatum.Kind.MOBILE)],
        "office_phone": [
            f"{number} ({datum.origin})" for datum, number in phones_of(found, ContactDatum.Kind.OFFICE_PHONE)
        ],
        "id": found.id,
    }
    if as_json:
        click.echo(json.dumps(known, ensure_ascii=False, default=str))
        return
    for name, value in known.items():
        text = ", ".join(value) if isinstance(value, list) else value
        click.echo(f"{name.replace('_', ' '):<13} {'-' if text in (None, '') else text}")


@person.command()
@click.argument("user_id")
@click.argument("address")
@on_portal
def mail(*, user_id: str, address: str) -> None:
    """Add a mail address to which codes may be sent."""
    found = chosen_person(user_id)
    _add_mail(found, address, datetime.now(UTC))
    click.echo(f"{found.user_id} can be reached at {address}.")
    _warn_of_own(found, (address,))


@person.command()
@click.argument("user_id")
@click.argument("number")
@click.option("--office", is_flag=True, help="An office telephone; a mobile one is meant otherwise.")
@on_portal
def phone(*, user_id: str, number: str, office: bool) -> None:
    """Add a telephone number to which codes may be sent."""
    from keyback.portal.people.contacts import add_phone
    from keyback.portal.people.models import ContactDatum

    found, kind = chosen_person(user_id), ContactDatum.Kind.OFFICE_PHONE if office else ContactDatum.Kind.MOBILE
    try:
        add_phone(found, number, kind, origin=ContactDatum.Origin.OPERATOR, by=operator(), now=datetime.now(UTC))
    except ValueError:
        raise Refused(f"{number!r} is not a telephone number like +44 1632960001") from None
    click.echo(f"{found.user_id} can be reached at {number}.")


def _add_mail(found: Person, address: str, now: datetime) -> None:
    from keyback.portal.people.contacts import add_mail
    from keyback.portal.people.models import ContactDatum

    try:
        add_mail(found, address, origin=ContactDatum.Origin.OPERATOR, by=operator(), now=now)
    except ValueError:
        raise Refused(f"{address!r} is not a mail address") from None


def _warn_of_own(found: Person, addresses: Sequence[str]) -> None:
    from keyback.portal.people.mailboxes import is_own, own_domains

    own = own_domains(found.organization_id)
    for address in (one for one in addresses if is_own(one.lower(), own)):
        why = "since that mailbox opens with the password (keyback org set --own-mail)"
        click.echo(f"Codes to {address} prove nothing, {why}.")
