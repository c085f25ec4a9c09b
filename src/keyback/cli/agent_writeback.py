"""``keyback agent writeback``, ``offboard``: this agent's own switch, and leaving for good."""

from __future__ import annotations

import json
from pathlib import Path

import click

from keyback.cli.agent_file import config_option, load

__all__ = ["offboard", "writeback"]


@click.group()
def writeback() -> None:
    """Whether this agent takes requests to write passwords. Synchronisation goes on either way."""


@writeback.command()
@config_option
def on(config_file: Path) -> int:
    """Take requests for every forest of the agent's file, with new keys. The running agent follows at once."""
    from keyback.agent.build import parts

    config = load(config_file)
    with parts(config) as made:
        ready = made.switchboard().on(made.clock.now())
    for forest in config.forest:
        if forest.name in ready:
            click.echo(f"{forest.name}: writeback is on.")
        else:
            click.echo(f"{forest.name}: not yet; the portal has its own switch off, or has not allowed this forest.")
    return 0 if len(ready) == len(config.forest) else 1


@writeback.command()
@config_option
def off(config_file: Path) -> None:
    """Take no requests (SSPR_0010 unless another agent does), and destroy the keys. The running agent follows at
    once."""
    from keyback.agent.build import parts

    config = load(config_file)
    with parts(config) as made:
        made.switchboard().off()
    for forest in config.forest:
        click.echo(f"{forest.name}: writeback is off.")


@writeback.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def status(config_file: Path, as_json: bool) -> None:
    """How the switch stands here for each forest; the portal's own is shown there (keyback writeback status)."""
    from keyback.agent.identity import load_identity
    from keyback.agent.switch import Switch

    config = load(config_file)
    switch = Switch(config.state_dir, load_identity(config.state_dir).forests.values())
    states = {forest.name: switch.of(forest.name).value for forest in config.forest}
    if as_json:
        click.echo(json.dumps(states, indent=2))
        return
    told = {
        "on": "on",
        "off": "off",
        "off_by_portal": "off, by the portal",
        "added": "never switched on since it was added: 'keyback agent writeback off', then 'on'",
    }
    for name, state in states.items():
        click.echo(f"{name}: {told[state]}")


@click.command()
@config_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def offboard(config_file: Path, yes: bool) -> None:
    """Leave the portal for good: it shuts this agent out, and every key here is destroyed."""
    from keyback.agent.build import alone, parts
    from keyback.agent.onboarding import offboard_agent

    config = load(config_file)
    if not yes:
        click.confirm("This agent can come back only by being onboarded again. Go on?", abort=True)
    with parts(config) as made, alone(config.state_dir):
        offboard_agent(config.state_dir, made.keys, made.link, made.events)
    click.echo("This agent has left, and its keys are destroyed.")
