"""``lab …``: the command."""

from __future__ import annotations

import json
import sys
import time

import click

import lab
from lab._settings import DEFAULT_NAME, FLAVOURS, Flavour
from lab.errors import LabError, NotRunningError
from lab.forest import Forest

_NAME = click.argument("name", default=DEFAULT_NAME)
_ONE = click.argument("name")
_CONTROLLER = click.option("--controller", metavar="DC", help="dc1 (default) or dc2.")


@click.group(help="A throw-away Active Directory forest on loopback.")
def group() -> None:
    pass


@group.command()
@_NAME
@click.option("--ip", help="Loopback address; corp has 127.0.0.2, others the next free one.")
@click.option("--flavour", type=click.Choice(FLAVOURS), default="trixie", help="Which Debian's Samba.")
def up(name: str, ip: str | None, flavour: Flavour) -> None:
    """Bring the forest NAME up (default: corp)."""
    begun = time.monotonic()
    forest = lab.up(name, ip=ip, flavour=flavour)
    _show(forest)
    click.echo(f"up after {time.monotonic() - begun:.1f} s")


@group.command()
@_NAME
@click.option("--all", "everything", is_flag=True, help="All forests.")
def down(name: str, everything: bool) -> None:
    """End the forest NAME and delete its data."""
    for each in [forest.name for forest in lab.describe_all()] if everything else [name]:
        lab.down(each)


@group.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="For programs: a list of forests, or the one called NAME.")
def status(name: str | None, as_json: bool) -> None:
    """Show what is up. With NAME, the exit status is 1 unless all its controllers run."""
    forests = [lab.describe(name)] if name else lab.describe_all()
    if as_json:
        described = [forest.as_json() for forest in forests]
        click.echo(json.dumps(described[0] if name else described, indent=2))
    else:
        for forest in forests:
            _show(forest)
        if not forests:
            click.echo("no forest is up")
    if name and not all(controller.running for controller in forests[0].controllers):
        raise NotRunningError(f"a controller of {name} does not run: lab up {name}")


@group.command()
@_ONE
@_CONTROLLER
def kill(name: str, controller: str | None) -> None:
    """kill -9 a controller of NAME; its data stays."""
    lab.kill(name, controller)


@group.command()
@_ONE
@_CONTROLLER
def restart(name: str, controller: str | None) -> None:
    """Start a killed controller again on the same data."""
    lab.restart(name, controller)


@group.command()
@_ONE
@_CONTROLLER
def freeze(name: str, controller: str | None) -> None:
    """Stop a controller in its tracks (SIGSTOP)."""
    lab.freeze(name, controller)


@group.command()
@_ONE
@_CONTROLLER
def thaw(name: str, controller: str | None) -> None:
    """Let a frozen controller go on (SIGCONT)."""
    lab.thaw(name, controller)


def main() -> None:
    """The entry point: every foreseen failure is one line and exit status 1."""
    try:
        group(prog_name="lab", standalone_mode=False)
    except LabError as error:
        click.echo(f"lab: {error}", err=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)


def _show(forest: Forest) -> None:
    click.echo(f"{forest.name}: {forest.realm} ({forest.flavour})")
    for controller in forest.controllers:
        state = "running" if controller.running else "killed"
        click.echo(f"  {controller.name}  ldaps://{controller.ip}  {state}")
    click.echo(f"  authority        {forest.ca_file}")
    click.echo(f"  people           {forest.people_dn}")
    click.echo(f"  service account  {forest.service_upn}, password in {forest.service_password_file}")
    click.echo(f"  kinit            KRB5_CONFIG={forest.krb5_conf} kinit ada")
