"""``keyback messages``: mail on its way. Neither addresses nor texts are shown."""

from __future__ import annotations

import sys

import click

from keyback.cli.portal import chosen_organization, json_option, on_portal, show

__all__ = ["messages"]

_LONGEST_REPORT = 1_000_000


@click.group()
def messages() -> None:
    """Mail, text messages and calls on their way."""


@messages.command("list")
@click.argument("slug")
@click.option("--state", type=click.Choice(["queued", "sending", "sent", "dead"]), help="Only those in this state.")
@click.option("--last", type=click.IntRange(1), default=50, show_default=True, help="Only so many, the newest.")
@json_option
@on_portal
def list_(*, slug: str, state: str | None, last: int, as_json: bool) -> None:
    """Mail, text messages and calls of the organization SLUG, oldest first, with what went wrong."""
    from keyback.portal.messages.models import Message

    # What was written for unknown people is never sent; it would only puzzle here.
    found = Message.objects.filter(organization=chosen_organization(slug), discard=False)
    if state:
        found = found.filter(state=state)
    rows = [
        {
            "created": row.created_at,
            "channel": row.channel,
            "kind": row.kind,
            "state": row.state,
            "attempts": row.attempts,
            "sent": row.sent_at,
            "problem": row.problem,
            "tracking_id": row.tracking_id,
        }
        for row in reversed(found.order_by("-created_at")[:last])
    ]
    show(rows, ["created", "channel", "kind", "state", "attempts", "sent", "problem", "tracking_id"], as_json=as_json)


@messages.command()
@on_portal
def bounce() -> None:
    """Note a mail that came back, as its report is read from standard input: let the mail server hand what arrives for
    the sender's address to this command. A report about no mail of ours is passed over."""
    from keyback.portal.messages.bounces import note

    found = note(sys.stdin.buffer.read(_LONGEST_REPORT))
    click.echo("Passed over: no failure of a mail of ours." if found is None else f"Noted: {found.problem}.")
