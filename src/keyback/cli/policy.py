"""``keyback policy``: who may reset, and with which proofs."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keyback.cli.portal import Refused, chosen_organization, chosen_person, json_option, on_portal, operator, show

if TYPE_CHECKING:
    from keyback.portal.organizations.models import Organization
    from keyback.portal.people.policy_file import PolicyFile

__all__ = ["policy"]

_file = click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))


@click.group()
def policy() -> None:
    """Who may reset, and with which proofs."""


@policy.command("show")
@click.argument("slug")
@json_option
@on_portal
def show_(*, slug: str, as_json: bool) -> None:
    """The policies of the organization SLUG, in their order; the first that covers a person counts."""
    from keyback.portal.people.policy_changes import current

    specs = [spec.model_dump(warnings=False) for spec in current(chosen_organization(slug)).policies]
    if not as_json:
        specs = [{name: _text(value) for name, value in spec.items()} for spec in specs]
    show(specs, ["name", "groups", "reset", "unlock", "change", "methods", "gates"], as_json=as_json)


@policy.command("set")
@click.argument("slug")
@click.option("--name", default="Everybody", show_default=True, help="Which policy; made if there is none of the name.")
@click.option("--before", default="", metavar="NAME", help="Put it before this policy; a new one comes last otherwise.")
@click.option("--everybody", is_flag=True, help="It covers everybody.")
@click.option("--group", "groups", multiple=True, help="It covers this group; give it once for each. All others go.")
@click.option("--reset/--no-reset", default=None, help="Whether it allows a reset.")
@click.option("--unlock/--no-unlock", default=None, help="Whether it allows to unlock without a reset.")
@click.option("--change/--no-change", default=None, help="Whether a known password may be changed.")
@click.option("--method", "methods", multiple=True, help="A way to prove; give it once for each. All others go.")
@click.option(
    "--gates",
    type=click.IntRange(1, 2),
    help="How many different things a person must prove; a text message and a call to one number are one.",
)
@click.option("--questions-registered", type=click.IntRange(3, 5), help="Security questions that a person registers.")
@click.option("--questions-asked", type=click.IntRange(3, 5), help="Security questions that a proof asks.")
@click.option("--register-at-sign-in/--no-register-at-sign-in", default=None, help="Ask for security info at sign-in.")
@click.option("--reconfirm-days", type=click.IntRange(0, 730), help="Days until it is confirmed again; 0 is never.")
@click.option("--notify-person/--no-notify-person", default=None, help="Mail to the person about a reset.")
@click.option("--notify-administrators/--no-notify-administrators", default=None, help="Mail to administrators too.")
@on_portal
def set_(
    *,
    slug: str,
    name: str,
    before: str,
    everybody: bool,
    groups: tuple[str, ...],
    methods: tuple[str, ...],
    **plain: Any,
) -> None:
    """Change a policy; what is left out stays as it is."""
    from keyback.portal.methods import installed
    from keyback.portal.people.policy_changes import current, set_one

    if unready := [name for name in methods if name in installed() and not installed()[name].ready()]:
        raise Refused(
            f"{', '.join(unready)}: no gateway is set up; give [sms] or [voice] in portal.toml (see docs/operations.md)"
        )
    if everybody and groups:
        raise Refused("--everybody and --group exclude each other")
    values = {key: value for key, value in plain.items() if value is not None}
    if methods:
        values["methods"] = list(dict.fromkeys(methods))
    if everybody or groups:
        values["groups"] = "all" if everybody else list(dict.fromkeys(groups))
    organization = chosen_organization(slug)
    found = set_one(organization, name, values, before=before, by=operator(), now=datetime.now(UTC))
    click.echo(
        f"{found.name}: reset {'allowed' if found.reset else 'not allowed'}, "
        f"{found.gates} of {', '.join(found.methods) or 'no method'}"
    )
    _warn(organization, current(organization))


@policy.command()
@click.argument("slug")
@on_portal
def export(*, slug: str) -> None:
    """Print all policies of the organization SLUG as YAML, as `apply` takes them."""
    from keyback.portal.people.policy_changes import current
    from keyback.portal.people.policy_file import text_of

    click.echo(text_of(current(chosen_organization(slug))), nl=False)


@policy.command()
@click.argument("slug")
@_file
@on_portal
def diff(*, slug: str, file: Path) -> int:
    """Show what `apply` would change. Exit status 1 where it is anything."""
    from keyback.portal.people.policy_changes import difference

    organization, wanted = chosen_organization(slug), _read(file)
    found = difference(organization, wanted)
    if found:
        click.echo(found)
    _warn(organization, wanted)
    return 1 if found else 0


@policy.command()
@click.argument("slug")
@_file
@click.option("--dry-run", is_flag=True, help="Check and show, and change nothing.")
@on_portal
def apply(*, slug: str, file: Path, dry_run: bool) -> None:
    """Make the policies of the organization SLUG those of FILE (- is standard input): all of them, or none."""
    from keyback.portal.people import policy_changes

    organization, wanted = chosen_organization(slug), _read(file)
    found = policy_changes.difference(organization, wanted)
    if found:
        click.echo(found)
    changed = not dry_run and policy_changes.apply(organization, wanted, by=operator(), now=datetime.now(UTC))
    _warn(organization, wanted)
    click.echo("Changed." if changed else "Nothing was changed.", err=True)


@policy.command()
@click.argument("user_id")
@json_option
@on_portal
def explain(*, user_id: str, as_json: bool) -> None:
    """Which policy covers USER_ID and why, and whether they could reset now. Nothing is counted or taken."""
    from keyback.portal.recovery.explanation import explained

    rows = explained(chosen_person(user_id), datetime.now(UTC))
    if as_json:
        show([dict(rows)], [], as_json=True)
        return
    for name, value in rows:
        click.echo(f"{name.replace('_', ' '):<14} {_text(value)}")


def _read(file: Path) -> PolicyFile:
    from keyback.portal.people.policy_file import LONGEST, parse

    try:
        stream = sys.stdin if str(file) == "-" else file.open(encoding="utf-8")
        with stream:
            return parse(stream.read(LONGEST + 1))
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{file}: {error}") from None


def _warn(organization: Organization, file: PolicyFile) -> None:
    from keyback.portal.people.policy_changes import warnings

    for sentence in warnings(organization, file):
        click.echo(f"keyback: {sentence}", err=True)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) or "-" if isinstance(value, list) else str(value)
