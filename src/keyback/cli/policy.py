"""``keyback policy``: who may reset, and with which proofs."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from keyback.cli.portal import Refused, chosen_organization, json_option, on_portal, operator, show

__all__ = ["policy"]


@click.group()
def policy() -> None:
    """Who may reset, and with which proofs."""


@policy.command("show")
@click.argument("slug")
@json_option
@on_portal
def show_(*, slug: str, as_json: bool) -> None:
    """The policies of the organization SLUG; the first that allows a reset counts."""
    rows = [
        {
            "name": row.name,
            "reset": row.reset,
            "methods": row.methods if as_json else ", ".join(row.methods),
            "gates": row.gates,
        }
        for row in chosen_organization(slug).policies.all()
    ]
    show(rows, ["name", "reset", "methods", "gates"], as_json=as_json)


@policy.command("set")
@click.argument("slug")
@click.option("--name", default="Everybody", show_default=True, help="Which policy; made if there is none of the name.")
@click.option("--reset/--no-reset", default=None, help="Whether it allows a reset.")
@click.option("--method", "methods", multiple=True, help="A way to prove; give it once for each. All others go.")
@click.option(
    "--gates",
    type=click.IntRange(1, 2),
    help="How many different things a person must prove; a text message and a call to one number are one.",
)
@on_portal
def set_(*, slug: str, name: str, reset: bool | None, methods: tuple[str, ...], gates: int | None) -> None:
    """Change a policy; what is left out stays as it is."""
    from keyback.portal.methods import installed
    from keyback.portal.people.policies import change

    if unknown := [method for method in methods if method not in installed()]:
        raise Refused(f"no such method: {', '.join(unknown)}; there are: {', '.join(sorted(installed()))}")
    if unready := [method for method in methods if not installed()[method].ready()]:
        raise Refused(
            f"{', '.join(unready)}: no gateway is set up; give [sms] or [voice] in portal.toml (see docs/operations.md)"
        )
    organization = chosen_organization(slug)
    found = change(
        organization,
        name,
        reset=reset,
        methods=list(dict.fromkeys(methods)) or None,
        gates=gates,
        by=operator(),
        now=datetime.now(UTC),
    )
    click.echo(
        f"{found.name}: reset {'allowed' if found.reset else 'not allowed'}, "
        f"{found.gates} of {', '.join(found.methods) or 'no method'}"
    )
    kinds = {installed()[method].gate for method in found.methods if method in installed()}
    if len(kinds) < found.gates:
        click.echo(f"keyback: nobody can prove {found.gates} different things with these: {_held(kinds)}", err=True)


def _held(kinds: set[str]) -> str:
    return f"they all prove {kinds.pop()}" if kinds else "there is no method"
