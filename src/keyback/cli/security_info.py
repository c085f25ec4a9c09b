"""``keyback security-info``: what people prove themselves with, as the helpdesk looks after it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TextIO

import click

from keyback.cli.portal import Refused, chosen_organization, chosen_person, json_option, on_portal, operator, show

__all__ = ["security_info"]


@click.group("security-info")
def security_info() -> None:
    """What people prove themselves with."""


@security_info.command("list")
@click.argument("user_id")
@json_option
@on_portal
def list_(*, user_id: str, as_json: bool) -> None:
    """Everything on file about one person; addresses and numbers half hidden, secrets not at all."""
    from keyback.portal.securityinfo.entries import entries

    rows = [
        {
            "method": entry.method,
            "label": entry.label,
            "added": entry.created_at,
            "used": entry.used_at,
            "counts_from": entry.opens_from,
            "id": entry.id,
        }
        for entry in entries(chosen_person(user_id))
    ]
    show(rows, ["method", "label", "added", "used", "counts_from", "id"], as_json=as_json)


@security_info.command()
@click.argument("user_id")
@click.argument("entry", type=click.UUID)
@on_portal
def remove(*, user_id: str, entry: uuid.UUID) -> None:
    """Take ENTRY, an id of the list, off file: a lost telephone, a lost token. The person is told by mail."""
    from keyback.portal.securityinfo import entries

    try:
        entries.remove(chosen_person(user_id), entry, by=operator(), now=datetime.now(UTC))
    except entries.NotTheirs as refusal:
        raise Refused(str(refusal)) from None
    click.echo("Removed.")


@security_info.command()
@click.argument("slug")
@click.argument("file", type=click.File("r", encoding="utf-8-sig"))
@on_portal
def tokens(*, slug: str, file: TextIO) -> None:
    """Give hardware tokens to people of the organization SLUG, as FILE lists them ("-" is standard input): a CSV with
    the columns upn, serial number, secret key, time interval, manufacturer, model. All of them or none."""
    from django.db import transaction

    from keyback.portal.methods.authenticator.enrol import give_token
    from keyback.portal.methods.authenticator.tokens import ListRefused, read
    from keyback.portal.securityinfo.registered import Taken, TooMany

    organization, found = chosen_organization(slug), read(file)
    with transaction.atomic():
        for token in found:
            person = chosen_person(token.user_id)
            if person.organization_id != organization.pk:
                raise Refused(f"line {token.line}: {token.user_id} is not of {organization}")
            try:
                give_token(person, token, by=operator(), now=datetime.now(UTC))
            except (TooMany, Taken) as refusal:
                raise ListRefused(f"line {token.line}: {refusal}") from None
    click.echo(f"{len(found)} tokens are with their people.")


@security_info.command("pass")
@click.argument("user_id")
@click.option("--minutes", type=int, default=60, show_default=True, help="How long it works: 10 to 43200.")
@click.option("--length", type=int, default=8, show_default=True, help="How many characters: 8 to 48.")
@click.option(
    "--once/--many", default=True, show_default=True, help="Whether it works once, or until its time is over."
)
@on_portal
def pass_(*, user_id: str, minutes: int, length: int, once: bool) -> None:
    """Make a temporary access pass for one person, and print it; it is never shown again. An earlier one ends. Be sure
    whom you tell it: whoever has it can prove with it that they are this person."""
    from keyback.portal.methods.access_pass.passes import make
    from keyback.portal.people.policies import policy_for

    person = chosen_person(user_id)
    text = make(person, minutes=minutes, length=length, once=once, by=operator(), now=datetime.now(UTC))
    policy = policy_for(person.organization, person)
    if policy is None or "access_pass" not in policy.methods:
        click.echo("keyback: their policy does not list access_pass yet; see 'keyback policy set'", err=True)
    click.echo(" ".join(text[i : i + 4] for i in range(0, len(text), 4)))


@security_info.group()
def questions() -> None:
    """An organization's own security questions, beside the predefined ones."""


@questions.command("list")
@click.argument("slug")
@json_option
@on_portal
def list_questions(*, slug: str, as_json: bool) -> None:
    """The own questions of the organization SLUG."""
    rows = chosen_organization(slug).own_questions.order_by("text")
    show([{"question": row.text, "id": row.pk} for row in rows], ["question", "id"], as_json=as_json)


@questions.command("add")
@click.argument("slug")
@click.argument("text")
@on_portal
def add_question(*, slug: str, text: str) -> None:
    """Let people of the organization SLUG choose the question TEXT too. At most 20; they are not translated."""
    from keyback.portal.methods.questions.catalogue import add_own

    row = add_own(chosen_organization(slug), text, by=operator(), now=datetime.now(UTC))
    click.echo(f"Added: {row.text}")


@questions.command("remove")
@click.argument("slug")
@click.argument("question", type=click.UUID)
@on_portal
def remove_question(*, slug: str, question: uuid.UUID) -> None:
    """Take QUESTION, an id of the list, out of the choice; who has answered it keeps it."""
    from keyback.portal.methods.questions.catalogue import remove_own

    remove_own(chosen_organization(slug), question, by=operator(), now=datetime.now(UTC))
    click.echo("Removed.")
