"""``keyback agent``: the on-premises service and what its administrator asks it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from keyback.cli.agent_backup import backup, restore
from keyback.cli.agent_credentials import credentials
from keyback.cli.agent_file import config_option as _config_option
from keyback.cli.agent_file import load as _load
from keyback.cli.agent_setup import setup
from keyback.cli.agent_sync import sync
from keyback.cli.agent_writeback import offboard, writeback

if TYPE_CHECKING:
    from keyback.agent.events import Event

__all__ = ["agent"]


@click.group()
def agent() -> None:
    """The agent: carries out requests on the directory, and synchronises people."""


agent.add_command(sync)
agent.add_command(writeback)
agent.add_command(offboard)
agent.add_command(credentials)
agent.add_command(setup)
agent.add_command(backup)
agent.add_command(restore)


@agent.command()
@_config_option
@click.option("--portal", metavar="URL", help="The portal's address; may stand in the agent's file instead.")
@click.option("--code", prompt="One-time code", help="Made with 'keyback agent-code create'. Asked for if left out.")
@click.option("--name", help="What the portal calls this agent; this machine's name if left out.")
def onboard(config_file: Path, portal: str | None, code: str, name: str | None) -> None:
    """Make this agent known to the portal, with new keys."""
    from keyback.agent.build import alone, event_log
    from keyback.agent.clock import SystemClock
    from keyback.agent.onboarding import onboard_agent

    config = _load(config_file)
    if name:
        config = config.model_copy(update={"name": name})
    address = _portal_address(portal or config.portal)
    events = event_log(config)
    try:
        with alone(config.state_dir):
            identity = onboard_agent(config, address, code.strip(), events, SystemClock())
    finally:
        events.close()
    click.echo(f"This agent is known to {identity.organization} at {identity.portal}, and not confirmed yet.")
    click.echo("It gets no requests until an administrator has compared this fingerprint and confirmed it there:")
    click.echo(f"\n    {identity.fingerprint}\n")
    click.echo(f"Start it with: keyback agent run --config {config_file}")


@agent.command()
@_config_option
def run(config_file: Path) -> None:
    """Work until stopped (SIGTERM or Ctrl-C); what was claimed is finished first."""
    from keyback.agent.build import alone, parts
    from keyback.cli.signals import stopping

    config = _load(config_file)
    with parts(config) as made, alone(config.state_dir):
        service = made.service()
        with stopping(service.stop):
            service.run()


@agent.command()
@_config_option
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def status(config_file: Path, as_json: bool) -> None:
    """What this agent is, what it may do, and what it last did."""
    from keyback.agent.status import status_of

    found = status_of(_load(config_file))
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    width = max(map(len, found))
    for name, value in found.items():
        lines = value if isinstance(value, list) else [value]
        for place, line in enumerate(lines or ["none"]):
            click.echo(f"{name.replace('_', ' ') if not place else '':{width}}  {line}")


@agent.command()
@_config_option
@click.option("--source", help="PasswordResetService, ADSync or Keyback.")
@click.option("--tracking", metavar="ID", help="Only those of one operation.")
@click.option("--last", type=click.IntRange(1), help="Only so many, the newest.")
@click.option("--follow", is_flag=True, help="Go on with new ones until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--catalogue", is_flag=True, help="All kinds that there are, instead of those that happened.")
def events(
    *,
    config_file: Path,
    source: str | None,
    tracking: str | None,
    last: int | None,
    follow: bool,
    as_json: bool,
    catalogue: bool,
) -> None:
    """What happened, oldest first."""
    from keyback.agent.events import read_events

    if catalogue:
        _print_catalogue(as_json)
        return
    config = _load(config_file)
    seen = 0
    while True:
        for event in read_events(config.state_dir, source=source, tracking_id=tracking, after=seen, last=last):
            seen = event.number
            click.echo(json.dumps(event.to_dict(), ensure_ascii=False) if as_json else _line(event))
        if not follow:
            return
        last = None
        time.sleep(0.5)


@agent.command()
@click.argument("event_id")
def explain(event_id: str) -> None:
    """What an event means, and what to do about it."""
    from keyback.agent.catalogue import Kind

    wanted = event_id.lower()
    found = [kind.value for kind in Kind if wanted in (kind.value.id.lower(), kind.value.name.lower(), kind.value.hr)]
    if not found:
        raise click.ClickException(f"{event_id}: no such event; 'keyback agent events --catalogue' lists all")
    for facts in found:
        click.echo(f"{facts.id} {facts.name}{f' hr {facts.hr}' if facts.hr else ''} ({facts.source}, {facts.level})")
        click.echo(f"  Meaning: {facts.meaning}")
        click.echo(f"  What to do: {facts.repair or 'nothing.'}")


@agent.command()
@_config_option
def resume(config_file: Path) -> None:
    """Let operations that stopped at their cap go on, counted anew."""
    from keyback.agent.build import event_log, journal
    from keyback.agent.catalogue import Kind
    from keyback.agent.clock import SystemClock

    config = _load(config_file)
    log, book = event_log(config), journal(config)
    try:
        resumed = book.resume(SystemClock().now())
        for operation in resumed:
            log.write(Kind.RESUMED, f"{operation} goes on.", operation=operation.value)
            click.echo(f"{operation} goes on.")
        if not resumed:
            click.echo("Nothing had stopped.")
    finally:
        book.close()
        log.close()


@agent.command()
@_config_option
@click.option("--person", metavar="USER", help="Judge the rights on this person alone.")
@click.option(
    "--readiness", is_flag=True, help="Also tell how many people could be reset today, and why not the others."
)
@click.option("--csv", "csv_file", type=click.Path(dir_okay=False, path_type=Path), help="Write one row a person.")
@click.option("--idle", type=click.IntRange(0, 3600), default=0, help="Hold a silent connection for so many seconds.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def check(
    *, config_file: Path, person: str | None, readiness: bool, csv_file: Path | None, idle: int, as_json: bool
) -> int:
    """Try everything that this agent needs, and say what is wrong and what mends it.

    Writes nothing to the directory. The exit status is 1 when something failed, else 0.
    """
    from keyback.agent.checks.findings import Status, worst
    from keyback.agent.checks.report import Report
    from keyback.cli import checks

    if (readiness or csv_file) and person:
        raise click.UsageError("--readiness is about everybody; leave out --person")
    report = Report(_load(config_file), idle, checks.show_progress)
    found = []
    for section in report.sections(person):
        found.append(section)
        if not as_json:
            checks.show(section)
    if csv_file:
        checks.write_csv(csv_file, report.people)
    summary = checks.summary(report.people) if readiness or csv_file else None
    if as_json:
        checks.show_json(report, found, summary)
    elif summary:
        checks.show_summary(summary)
    return 1 if worst(found) is Status.FAILED else 0


@agent.command()
@_config_option
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The zip to write.")
@click.option("--list", "only_list", is_flag=True, help="Say what would be in it, and write nothing.")
def bundle(config_file: Path, out: Path | None, only_list: bool) -> None:
    """Gather what helps somebody to help: no passwords, keys or codes are in it, names of accounts are."""
    from keyback.agent.checks.bundle import contents, zipped
    from keyback.agent.checks.report import Report
    from keyback.agent.clock import SystemClock
    from keyback.agent.files import write_private

    if not out and not only_list:
        raise click.UsageError("give --out FILE.zip, or --list")
    config = _load(config_file)
    now = SystemClock().now()
    files = contents(config, Report(config).sections(), now)
    for name, data in files.items():
        click.echo(f"{len(data):>10}  keyback/{name}")
    if out and not only_list:
        try:
            write_private(out, zipped(files, now))
        except OSError as error:
            raise click.ClickException(f"{out}: {error.strerror}") from None
        click.echo(f"Written: {out}. Look into it before you send it: it names accounts.")


def _portal_address(given: str | None) -> str:
    from keyback.agent.config import secure_url

    if not given:
        raise click.UsageError("give --portal, or write portal = … into the agent's file")
    try:
        return secure_url(given)
    except ValueError as error:
        raise click.UsageError(f"{given}: {error}") from None


def _line(event: Event) -> str:
    about = f" [{event.tracking_id}]" if event.tracking_id else ""
    moment = event.time.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return f"{moment} {event.level:<11} {event.source} {event.id} {event.name}{about} {event.message}"


def _print_catalogue(as_json: bool) -> None:
    from dataclasses import asdict

    from keyback.agent.catalogue import Kind

    rows = [asdict(kind.value) for kind in Kind]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        click.echo(f"{row['id']:<9}{row['name']:<34}{row['source']:<21}{row['level']}")
