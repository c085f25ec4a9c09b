"""One zip for whoever helps: what is set, which versions, what the checks say, what happened, how long it took.

Everything in it is made here from values that are no secrets; no file of the agent is copied, since nobody knows what
somebody wrote into a comment. It does name accounts: it is meant for people who may see those.
"""

from __future__ import annotations

import json
import platform
import sqlite3
import ssl
import statistics
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from importlib.metadata import distributions
from io import BytesIO
from uuid import UUID

import ldap

from keyback.agent.build import journal
from keyback.agent.catalogue import Kind
from keyback.agent.checks.findings import Section
from keyback.agent.config import AgentConfig
from keyback.agent.events import Event, read_events
from keyback.agent.identity import load_identity
from keyback.agent.journal import SyncRun
from keyback.agent.status import status_of
from keyback.errors import ConfigurationError

__all__ = ["contents", "zipped"]

EVENTS = 10_000
_SPANS = {
    "reset": (Kind.RESET_START, (Kind.RESET_SUCCESS, Kind.RESET_FAIL)),
    "administrator's reset": (Kind.ADMIN_RESET_START, (Kind.ADMIN_RESET_SUCCESS, Kind.ADMIN_RESET_FAIL)),
    "change": (Kind.CHANGE_START, (Kind.CHANGE_SUCCESS, Kind.CHANGE_FAIL)),
}


def contents(config: AgentConfig, sections: Iterable[Section], now: datetime) -> dict[str, bytes]:
    """Each file's name and text, in the order of the zip."""
    events = list(read_events(config.state_dir, last=EVENTS))
    lines = (json.dumps(event.to_dict(), ensure_ascii=False) for event in events)
    return {
        "configuration.json": _json(json.loads(config.model_dump_json())),
        "status.json": _json(_status(config)),
        "versions.json": _json(_versions()),
        "checks.json": _json({"made_at": now.isoformat(), "sections": [section.to_dict() for section in sections]}),
        "events.jsonl": "".join(f"{line}\n" for line in lines).encode(),
        "timings.json": _json({"operations": _timings(events), "synchronisation": _runs(config)}),
    }


def zipped(files: dict[str, bytes], now: datetime) -> bytes:
    """The zip with these files, dated ``now``."""
    made = BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(f"keyback/{name}", now.timetuple()[:6]), data, zipfile.ZIP_DEFLATED)
    return made.getvalue()


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _status(config: AgentConfig) -> object:
    try:
        return status_of(config) | {"agent_id": str(load_identity(config.state_dir).agent_id)}
    except ConfigurationError as error:
        return {"problem": str(error)}


def _versions() -> dict[str, object]:
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "openssl": ssl.OPENSSL_VERSION,
        "sqlite": sqlite3.sqlite_version,
        "libldap": ldap.get_option(ldap.OPT_API_INFO)["vendor_version"],
        "packages": dict(sorted((one.metadata["Name"], one.version) for one in distributions())),
    }


def _timings(events: Sequence[Event]) -> dict[str, object]:
    """Of each operation in the events: how many came to an end, and the milliseconds from start to end."""
    ids = {kind.value.id: (name, "start") for name, (kind, _) in _SPANS.items()}
    ids |= {kind.value.id: (name, "end") for name, (_, ends) in _SPANS.items() for kind in ends}
    started: dict[UUID, datetime] = {}
    took: dict[str, list[float]] = defaultdict(list)
    for event in events:
        name, what = ids.get(event.id, ("", ""))
        if event.tracking_id is None or not name:
            continue
        if what == "start":
            started[event.tracking_id] = event.time
        elif begun := started.pop(event.tracking_id, None):
            took[name].append((event.time - begun) / timedelta(milliseconds=1))
    return {
        name: {"count": len(spans), "median_ms": round(statistics.median(spans)), "longest_ms": round(max(spans))}
        for name, spans in took.items()
    }


def _runs(config: AgentConfig) -> list[dict[str, object]]:
    if not (config.state_dir / "journal.sqlite").exists():
        return []
    book = journal(config)
    try:
        return [_run(run) for run in book.runs(50)]
    finally:
        book.close()


def _run(run: SyncRun) -> dict[str, object]:
    return {
        "forest": run.forest,
        "started_at": run.started_at.isoformat(),
        "seconds": None if run.finished_at is None else (run.finished_at - run.started_at).total_seconds(),
        "people": run.people,
        "problem": run.problem,
    }
