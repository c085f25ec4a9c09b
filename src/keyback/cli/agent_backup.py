"""``keyback agent backup`` and ``restore``."""

from __future__ import annotations

from pathlib import Path

import click

from keyback.cli.agent_file import config_option

__all__ = ["backup", "restore"]

_archive = click.argument("archive", type=click.Path(dir_okay=False, path_type=Path))


@click.command()
@config_option
@_archive
def backup(config_file: Path, archive: Path) -> None:
    """Write everything that makes this agent into ARCHIVE: configuration, secrets, keys, journal, events.

    The agent may run. Whoever has the file can be this agent: keep it as you keep its machine.
    """
    from keyback.agent import backup as work
    from keyback.agent.clock import SystemClock
    from keyback.agent.files import write_private

    content = work.backup(config_file, SystemClock())
    try:
        write_private(archive, content)
    except OSError as error:
        raise click.ClickException(f"{archive}: {error.strerror}") from None
    click.echo(f"Written: {archive} ({len(content)} bytes). It holds private keys and the service account's password.")


@click.command()
@config_option
@click.option("--replace", is_flag=True, help="Write over what is there.")
@_archive
def restore(*, config_file: Path, replace: bool, archive: Path) -> None:
    """Make this machine the agent that ARCHIVE was made of. The agent must not run, here or elsewhere."""
    from keyback.agent import backup as work
    from keyback.agent.clock import SystemClock
    from keyback.credentials import give_back

    try:
        config = work.restore(archive, config_file, SystemClock(), replace=replace)
    except work.RestoreRefused as error:
        raise click.ClickException(str(error)) from None
    give_back(config.state_dir)
    click.echo(f"Restored: {config_file} and {config.state_dir}. Start it with: keyback agent run")
