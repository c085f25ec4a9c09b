"""``keyback keys``: the portal's keys."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from keyback.cli.portal import on_portal, operator

__all__ = ["keys"]


@click.group()
def keys() -> None:
    """The portal's keys. They stand in files; back them up apart from the database."""


@keys.command("rotate-rest")
@on_portal
def rotate_rest() -> None:
    """Encrypt contact data and waiting mail under a new key. Nothing needs a restart."""
    from keyback.portal import rotation

    name, renewed = rotation.rotate()
    _note("rotated", name)
    click.echo(f"{name} is in use; {renewed} values were encrypted again. Back it up.")
    click.echo("After some minutes remove the old keys: keyback keys drop-rest")


@keys.command("drop-rest")
@on_portal
def drop_rest() -> None:
    """Remove all keys at rest but the newest. Old backups of the database then need them: keep a copy with each
    backup."""
    from keyback.portal import rotation

    removed = rotation.drop()
    for name in removed:
        click.echo(f"Removed {name}.")
    if not removed:
        click.echo("There is one key only; nothing was removed.")
        return
    _note("dropped", ", ".join(removed))


def _note(what: str, names: str) -> None:
    from keyback.portal.audit.words import Activity, Result
    from keyback.portal.audit.writer import write
    from keyback.portal.organizations.models import Organization

    # The keys belong to the instance; every organization's data was under them.
    for organization in Organization.objects.all():
        write(
            organization.pk,
            Activity.KEYS_ROTATED,
            result=Result.SUCCESS,
            actor=operator(),
            now=datetime.now(UTC),
            details={"what": what, "keys": names},
        )
