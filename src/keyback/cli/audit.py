"""``keyback audit``: what happened, and whether the record is whole."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from uuid import UUID

import click

from keyback.cli.portal import chosen_organization, json_option, on_portal, show

__all__ = ["audit"]


@click.group()
def audit() -> None:
    """What happened, and whether the record is whole."""


@audit.command("list")
@click.argument("slug")
@click.option("--tracking-id", type=click.UUID, help="Only what belongs to one operation (the person's support code).")
@click.option("--last", type=click.IntRange(1), default=100, show_default=True, help="Only so many, the newest.")
@json_option
@on_portal
def list_(*, slug: str, tracking_id: UUID | None, last: int, as_json: bool) -> None:
    """Entries of the organization SLUG, oldest first."""
    from keyback.portal.audit.models import AuditEntry

    found = AuditEntry.objects.filter(organization=chosen_organization(slug))
    if tracking_id is not None:
        found = found.filter(tracking_id=tracking_id)
    rows = [
        {
            "time": row.at.isoformat() if as_json else row.at,
            "activity": row.activity,
            "result": row.result,
            "actor": row.actor,
            "tracking_id": row.tracking_id,
            "details": row.details if as_json else ", ".join(f"{k}={v}" for k, v in row.details.items()),
            "sealed": row.seal_id is not None,
        }
        for row in reversed(found.order_by("-id")[:last])
    ]
    show(rows, ["time", "activity", "result", "actor", "tracking_id", "details"], as_json=as_json)


@audit.command()
@on_portal
def seal() -> None:
    """Seal what is not sealed yet (a running portal does so every half minute)."""
    from keyback.portal.audit.sealer import seal_batch

    click.echo(f"{seal_batch(datetime.now(UTC))} entries sealed.")


@audit.command()
@click.argument("slug")
@on_portal
def verify(*, slug: str) -> None:
    """Check the whole chain of the organization SLUG. Exit status 1 when something does not fit."""
    from keyback.portal.audit.sealer import verify as verify_chain

    report = verify_chain(chosen_organization(slug))
    for problem in report.problems:
        click.echo(problem)
    verdict = "whole" if report.ok else f"NOT whole: {len(report.problems)} problems"
    click.echo(f"{report.entries} entries under {report.seals} seals, {report.unsealed} not sealed yet: {verdict}.")
    sys.exit(0 if report.ok else 1)
