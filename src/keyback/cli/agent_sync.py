"""``keyback agent sync``: bringing people and groups to the portal, and why somebody is not there."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

import click

from keyback.cli.agent_file import config_option, load
from keyback.cli.portal import json_option, show

if TYPE_CHECKING:
    from keyback.agent.config import AgentConfig
    from keyback.agent.forests import Forest
    from keyback.agent.journal import Journal, SyncRun

__all__ = ["sync"]

_COLUMNS = ["began", "forest", "kind", "seconds", "people", "added", "changed", "removed", "refused", "held", "end"]


@click.group()
def sync() -> None:
    """Synchronisation of people and groups."""


@sync.command("run")
@config_option
@click.argument("forest", required=False)
def sync_run(config_file: Path, forest: str | None) -> None:
    """Push all people and groups of FOREST, or of every forest, to the portal now."""
    from keyback.agent.build import parts

    config = load(config_file)
    if forest and forest not in {one.name for one in config.forest}:
        raise click.ClickException(f"{forest}: no such forest in {config_file}")
    failed = False
    with parts(config) as made:
        for name, one in made.forests.items():
            forest_id = made.identity.forest_id(name)
            if forest_id is None or (forest and name != forest):
                continue
            with _progress(one, made.journal) as progress:
                run = made.synchronisation().run(one, forest_id, progress)
            click.echo(
                f"{name}: {run.people} people, {run.added} added, {run.changed} changed, {run.removed} removed, "
                f"{run.refused} refused" + (f"; broke off: {run.problem}" if run.problem else "")
            )
            if run.held:
                click.echo(_held(run), err=True)
            failed = failed or bool(run.problem)
    if failed:
        sys.exit(1)


@sync.command()
@config_option
@json_option
def status(*, config_file: Path, as_json: bool) -> None:
    """Each forest: its servers and account, how changes come, how the last runs ended. Asks neither directory nor
    portal."""
    config = load(config_file)
    with _journal(config) as book:
        for place, forest in enumerate(config.forest):
            runs = book.runs(5, forest=forest.name)
            found = {
                "forest": forest.name,
                "servers": ", ".join(forest.servers),
                "account": forest.bind_dn,
                "people below": "; ".join(forest.base_dns),
                "filter": forest.filter,
                "groups below": "; ".join(forest.group_base_dns) or "the whole domain",
                "anchor": forest.anchor,
                "changes": _way(book, forest.name, forest.changes_interval_s),
                "waiting": _held(runs[0]) if runs and runs[0].held else "nobody",
            }
            if as_json:
                click.echo(json.dumps({**found, "runs": [_row(config, run) for run in runs]}, default=str))
                continue
            if place:
                click.echo()
            width = max(map(len, found))
            for name, value in found.items():
                click.echo(f"{name:{width}}  {value}")
            show([_row(config, run) for run in runs], _COLUMNS, as_json=False)


@sync.command()
@config_option
@json_option
@click.option("--last", type=click.IntRange(1), default=20, show_default=True, help="Only so many, the newest.")
def history(*, config_file: Path, as_json: bool, last: int) -> None:
    """The last runs, newest first: what they brought, what failed and why."""
    config = load(config_file)
    with _journal(config) as book:
        rows = [_row(config, run) for run in book.runs(last)]
    show(rows, _COLUMNS, as_json=as_json)
    if not as_json:
        for row in rows:
            for reason, count in row["why"].items():  # type: ignore[attr-defined]  # a dict, see _row
                click.echo(f"{row['began']}  {count} refused: {reason}")


@sync.command("show")
@config_option
@json_option
@click.argument("user")
def show_(*, config_file: Path, as_json: bool, user: str) -> int:
    """One person's chain: directory object, anchor, portal person; or the link that is broken, and why.

    USER is a user ID, an account name, a mail address or a distinguished name. The exit status is 1 where nobody is
    called so or a link is broken.
    """
    from keyback.agent.build import parts
    from keyback.agent.chain import chains
    from keyback.agent.events import read_events
    from keyback.directory.errors import DirectoryError

    with parts(load(config_file)) as made:
        ids = {name: number for number, name in made.identity.forests.items()}
        events = read_events(made.config.state_dir, source="ADSync")
        try:
            found = list(chains(user, made.forests, ids, made.link, events))
        except DirectoryError as error:
            raise click.ClickException(f"directory: {error.message}") from None
    if not found:
        raise click.ClickException(f"{user}: no forest has anybody of that name whom the service account may see")
    for place, chain in enumerate(found):
        if as_json:
            click.echo(json.dumps(chain.to_dict(), ensure_ascii=False))
            continue
        if place:
            click.echo()
        width = max(len(name) for name, _ in chain.links)
        for name, text in [("forest", chain.forest), ("objectGUID", str(chain.object_guid)), *chain.links]:
            click.echo(f"{name:{width}}  {text}")
        for reason in chain.broken:
            click.echo(f"{'BROKEN':{width}}  {reason}")
        if not chain.broken:
            click.echo(f"{'whole':{width}}  every link holds")
    return 1 if any(chain.broken for chain in found) else 0


@contextmanager
def _journal(config: AgentConfig) -> Iterator[Journal]:
    from keyback.agent.build import journal

    book = journal(config)
    try:
        yield book
    finally:
        book.close()


@contextmanager
def _progress(forest: Forest, book: Journal) -> Iterator[Callable[[int], None]]:
    """A bar, where somebody looks: as long as the last whole run, or, before the first one, as the directory counts."""
    from keyback.directory import in_scope
    from keyback.directory.errors import DirectoryError

    if not sys.stderr.isatty():
        yield lambda sent: None
        return
    before = [run.people for run in book.runs(5, forest=forest.name, kind="whole") if not run.problem]
    try:
        with forest.nearest() as connection:
            length = before[0] if before else len(in_scope(connection, forest.config.base_dns, forest.config.filter))
    except DirectoryError:
        length = 0  # the run itself says what is wrong
    with click.progressbar(
        length=length or 1, label=forest.name, file=sys.stderr, show_pos=True, show_percent=True
    ) as bar:

        def advance(sent: int) -> None:
            bar.length = max(bar.length or 0, sent)
            bar.update(sent - bar.pos)

        yield advance
        # Fewer than the last time are the whole of it too.
        bar.length = max(1, bar.pos)
        bar.render_progress()


def _row(config: AgentConfig, run: SyncRun) -> dict[str, object]:
    from keyback.agent.catalogue import Kind
    from keyback.agent.events import read_events

    why: Counter[str] = Counter()
    if run.refused:
        for event in read_events(config.state_dir, source=Kind.PERSON_REFUSED.value.source, last=10_000):
            if event.id == Kind.PERSON_REFUSED.value.id and event.fields.get("run") == str(run.id):
                why[event.message] += 1
    seconds = None if run.finished_at is None else round((run.finished_at - run.started_at).total_seconds(), 1)
    return {
        "began": run.started_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        "forest": run.forest,
        "kind": run.kind,
        "seconds": seconds,
        "people": run.people,
        "added": run.added,
        "changed": run.changed,
        "removed": run.removed,
        "refused": run.refused,
        "held": run.held,
        "end": run.end,
        "why": dict(why),
    }


def _way(book: Journal, forest: str, interval: int) -> str:
    text = book.note(f"marks:{forest}")
    if text is None:
        return "not asked for yet: no whole run has ended"
    by = "DirSync" if json.loads(text)["dirsync"] else "uSNChanged, since DirSync is not granted"
    return f"by {by}, every {interval} s"


def _held(run: SyncRun) -> str:
    return (
        f"{run.held} people have gone from {run.forest} within 24 hours. That is more than may be removed unasked, so "
        f"they all stay. If they have really gone: 'keyback removals confirm' on the portal; if not, mend base_dns, "
        f"filter or rights."
    )
