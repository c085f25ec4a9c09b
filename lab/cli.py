"""``lab …``: the command."""

from __future__ import annotations

import json
import sys
import time
from typing import Any, get_args

import click

import lab
from lab import api
from lab import people as table
from lab._settings import DEFAULT_NAME, FLAVOURS, Flavour
from lab.errors import LabError, NotRunningError
from lab.forest import Forest

_NAME = click.argument("name", default=DEFAULT_NAME)
_ONE = click.argument("name")
_ACCOUNT = click.argument("account")
_SWITCH = click.Choice(["on", "off"])
_CONTROLLER = click.option("--controller", metavar="DC", help="dc1 (default) or dc2.")


def _seconds(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    try:
        return None if value is None else api.duration(value)
    except LabError as error:
        raise click.BadParameter(str(error)) from None


@click.group(help="A throw-away Active Directory forest on loopback.")
def group() -> None:
    pass


@group.command()
@_NAME
@click.option("--ip", help="Loopback address; corp has 127.0.0.2, others the next free one.")
@click.option("--flavour", type=click.Choice(FLAVOURS), default="trixie", help="Which Debian's Samba.")
@click.option("--domain", help="What the realm is made of, if not NAME: corp for CORP.EXAMPLE.TEST.")
def up(name: str, ip: str | None, flavour: Flavour, domain: str | None) -> None:
    """Bring the forest NAME up (default: corp)."""
    begun = time.monotonic()
    forest = lab.up(name, ip=ip, flavour=flavour, domain=domain)
    _show(forest)
    click.echo(f"up after {time.monotonic() - begun:.1f} s")


@group.command()
@click.argument("domains", nargs=-1)
@click.option("--flavour", type=click.Choice(FLAVOURS), default="trixie", help="Which Debian's Samba.")
def prepare(domains: tuple[str, ...], flavour: Flavour) -> None:
    """Make the root, and the templates of DOMAINS (default: corp), so that `up` is quick later."""
    for domain in domains or (DEFAULT_NAME,):
        lab.prepare(domain, flavour=flavour)


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


@group.command()
@_ONE
@click.option("--ip", help="Loopback address of the second controller; by default the next free one.")
@click.option("--read-only", is_flag=True, help="One that nothing is written to, as in a branch office.")
def replica(name: str, ip: str | None, read_only: bool) -> None:
    """Add a second controller, dc2, to NAME."""
    _show(lab.replica(name, ip=ip, read_only=read_only))


@group.command()
@_ONE
@click.argument("action", type=click.Choice(["pause", "resume"]))
def replication(name: str, action: str) -> None:
    """Pause or resume replication from dc1 to dc2."""
    lab.replication(name, paused=action == "pause")


@group.command()
@_ONE
@click.option("--pso", metavar="NAME", help='A fine-grained policy, as "Finance passwords"; else the domain\'s own.')
@click.option("--min-age", callback=_seconds, metavar="DURATION")
@click.option("--max-age", callback=_seconds, metavar="DURATION", help="0 for passwords that never expire.")
@click.option("--history", type=int, help="How many former passwords are remembered.")
@click.option("--length", type=int)
@click.option("--complexity", type=_SWITCH)
@click.option("--lockout-threshold", type=int, help="0 for none.")
@click.option("--lockout-window", callback=_seconds, metavar="DURATION")
@click.option("--lockout-duration", callback=_seconds, metavar="DURATION")
@click.option("--reset", is_flag=True, help="First bring all policies back to what they were at first.")
def policy(name: str, reset: bool, complexity: str | None, **rules: Any) -> None:
    """Change the password policy of NAME. Durations: 0, or as in 60s, 5m, 2h, 2d."""
    forest = lab.describe(name)
    if reset:
        api.reset_policies(forest)
    switched = None if complexity is None else complexity == "on"
    if switched is not None or any(value is not None for key, value in rules.items() if key != "pso"):
        api.set_policy(forest, complexity=switched, **rules)


@group.command(name="filter")
@click.argument("arguments", metavar="[NAME] on|off", nargs=-1)
@click.option("--word", "words", multiple=True, default=["forbiddenword"], show_default=True)
def filter_(arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    """Switch a real password filter on, which refuses passwords that contain a word, or off."""
    name, switch = (DEFAULT_NAME, *arguments)[-2:]
    if switch not in ("on", "off") or len(arguments) > 2:
        raise click.UsageError("lab filter [NAME] on|off")
    api.set_filter(lab.describe(name), *(words if switch == "on" else ()))


@group.command()
@_ONE
@click.argument("action", type=click.Choice(["remove", "deny", "restore"]))
@click.argument("right", type=click.Choice(get_args(api.Right)), required=False)
def right(name: str, action: str, right: api.Right | None) -> None:
    """Take a delegated right from the service account, deny it, or restore them all."""
    forest = lab.describe(name)
    if action == "restore":
        api.restore_rights(forest)
    elif right is None:
        raise click.UsageError("which right?")
    elif action == "remove":
        api.remove_right(forest, right)
    else:
        api.deny_right(forest, right)


@group.group()
def user() -> None:
    """Change a person of a forest."""


@user.command(name="password")
@_ONE
@_ACCOUNT
@click.option("--must-change", is_flag=True, help="At the next sign-in.")
def user_password(name: str, account: str, must_change: bool) -> None:
    """Set a password as the Administrator; it is asked for, or read from standard input."""
    tty = sys.stdin.isatty()
    password = click.prompt("Password", hide_input=True) if tty else sys.stdin.readline().rstrip("\n")
    api.set_password(lab.describe(name), account, password, must_change=must_change)


@user.command(name="lock")
@_ONE
@_ACCOUNT
def user_lock(name: str, account: str) -> None:
    """Lock the account by wrong passwords."""
    api.lock_out(lab.describe(name), account)


@user.command(name="unlock")
@_ONE
@_ACCOUNT
def user_unlock(name: str, account: str) -> None:
    """Unlock the account."""
    api.unlock(lab.describe(name), account)


@user.command(name="age")
@_ONE
@_ACCOUNT
@click.argument("age", callback=_seconds, metavar="DURATION")
def user_age(name: str, account: str, age: float) -> None:
    """Make the password AGE old, as in 43d."""
    api.age_password(lab.describe(name), account, age)


@user.command(name="admin-count")
@_ONE
@_ACCOUNT
@click.argument("switch", type=_SWITCH)
def user_admin_count(name: str, account: str, switch: str) -> None:
    """Mark the account as protected, or no longer."""
    api.set_admin_count(lab.describe(name), account, switch == "on")


@user.command(name="reset")
@_ONE
@_ACCOUNT
def user_reset(name: str, account: str) -> None:
    """Bring a person of the table back to the initial state."""
    api.reset_person(lab.describe(name), account)


@group.command()
@_ONE
def people(name: str) -> None:
    """List the people of the table."""
    lab.describe(name)
    for row in table.PEOPLE:
        click.echo(f"{row.account:12} {row.display_name:24} {row.kind.value}")


@group.command()
@_ONE
@click.option("--account", help="Of this person only.")
def audit(name: str, account: str | None) -> None:
    """Show the controller's own record of password changes and resets."""
    for event in api.audit(lab.describe(name), account=account):
        by = "service account" if event.by_service else event.by
        click.echo(f"{event.time:%Y-%m-%d %H:%M:%S} {event.action:6} {event.account:20} {event.status} by {by}")


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
