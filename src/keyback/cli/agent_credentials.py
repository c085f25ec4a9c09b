"""``keyback agent credentials``: the service account's password."""

from __future__ import annotations

from pathlib import Path

import click

from keyback.cli.agent_file import config_option, load

__all__ = ["credentials"]


@click.group()
def credentials() -> None:
    """The service accounts with which this agent signs in to the forests."""


@credentials.command("list")
@config_option
def list_(config_file: Path) -> None:
    """Each forest's account, and where its secret is kept."""
    for forest in load(config_file).forest:
        click.echo(f"{forest.name}: {forest.account} ({forest.password_file or forest.keytab})")


@credentials.command("set")
@config_option
@click.argument("forest")
@click.option(
    "--password-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file that holds the new password, for its owner alone; asked for if left out.",
)
def set_(config_file: Path, forest: str, password_file: Path | None) -> None:
    """Try a new password of FOREST's service account, and keep it if the directory takes it. The running agent goes on
    with it; nothing is onboarded anew."""
    from keyback.agent.build import event_log
    from keyback.agent.credentials import set_service_password

    config = load(config_file)
    password = asked_password("New password of the service account", password_file)
    events = event_log(config)
    try:
        controller = set_service_password(config, forest, password, events)
    finally:
        events.close()
    click.echo(f"{controller} takes it. Stored.")


def asked_password(question: str, file: Path | None) -> str:
    """From the file, or asked for twice; never an argument, which every user of the machine could read."""
    from keyback.agent.files import read_private

    if file is None:
        password = click.prompt(question, hide_input=True, confirmation_prompt="Once more", err=True)
    else:
        password = read_private(file).decode("utf-8", "strict").removesuffix("\n")
    if not password:
        raise click.UsageError("the password is empty")
    return str(password)
