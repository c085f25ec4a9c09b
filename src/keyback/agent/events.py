"""The agent's event log: SQLite to search in, JSON lines to ship, and the machine's own log where there is one.

An event never holds a secret: its text and fields are made by this package from names, numbers and the directory's
diagnostic messages.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import TextIOWrapper
from pathlib import Path
from typing import Protocol
from uuid import UUID

from keyback.agent.catalogue import Kind, Level
from keyback.agent.clock import Clock
from keyback.errors import ConfigurationError

__all__ = ["Event", "EventLog", "Events", "Field", "read_events"]

Field = str | int | bool | None

KEPT = timedelta(days=90)
MAX_LINES_FILE = 10_000_000  # bytes; five older ones are kept
_SYSLOG_SOCKET = Path("/dev/log")  # journald listens there too

_SCHEMA = """
CREATE TABLE IF NOT EXISTS event (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    time TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, source TEXT NOT NULL, level TEXT NOT NULL,
    tracking_id TEXT, message TEXT NOT NULL, fields TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS event_tracking ON event (tracking_id) WHERE tracking_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS event_time ON event (time);
"""


@dataclass(frozen=True, slots=True)
class Event:
    """``number`` grows with every event of this agent."""

    number: int
    time: datetime
    id: str
    name: str
    source: str
    level: str
    tracking_id: UUID | None
    message: str
    fields: dict[str, Field] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        return {
            "time": self.time.isoformat(),
            "id": self.id,
            "name": self.name,
            "source": self.source,
            "level": self.level,
            "tracking_id": None if self.tracking_id is None else str(self.tracking_id),
            "message": self.message,
            "fields": self.fields,
        }


class Events(Protocol):
    """Where the parts of the agent write their events."""

    def write(self, kind: Kind, message: str = "", *, tracking_id: UUID | None = None, **fields: Field) -> None: ...

    def has(self, kind: Kind, tracking_id: UUID, request_id: UUID) -> bool:
        """Whether this event was written for this request."""
        ...

    def last_of(self, *kinds: Kind) -> Kind | None:
        """Which of these was written last."""
        ...


class EventLog:
    """Writes to ``folder``; safe in threads, and beside another process that writes there too.

    Raises ConfigurationError when the folder cannot be written.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        path = folder / "events.sqlite"
        try:
            self._database = _open(path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise ConfigurationError(f"{path}: {error}") from None
            # Damaged by a power cut, see _open. The lines file still tells what was in it.
            path.replace(path.with_suffix(".damaged"))
            self._database = _open(path)
        oldest = (clock.now() - KEPT).isoformat()
        self._database.execute("DELETE FROM event WHERE time < ?", (oldest,))
        self._lines = _lines_handler(folder / "events.jsonl")
        self._system = _system_handler()

    def write(self, kind: Kind, message: str = "", *, tracking_id: UUID | None = None, **fields: Field) -> None:
        facts = kind.value
        if facts.hr:
            fields = {"hr": facts.hr, **fields}
        event = Event(
            0,
            self._clock.now(),
            facts.id,
            facts.name,
            facts.source,
            facts.level,
            tracking_id,
            # One line, so that no text from elsewhere can pass for another event in a log of lines.
            " ".join((message or facts.meaning).split()),
            fields,
        )
        row = event.to_dict()
        # A log that cannot be written must not end what it tells of; the lines file and the machine's log have it.
        with self._lock, suppress(sqlite3.Error):
            self._database.execute(
                "INSERT INTO event (time, id, name, source, level, tracking_id, message, fields)"
                " VALUES (:time, :id, :name, :source, :level, :tracking_id, :message, :fields)",
                {**row, "fields": json.dumps(fields)},
            )
        _emit(self._lines, facts.level, json.dumps(row, ensure_ascii=False))
        if self._system:
            about = f" [{tracking_id}]" if tracking_id else ""
            _emit(self._system, facts.level, f"{facts.id} {facts.name}: {event.message}{about}")

    def has(self, kind: Kind, tracking_id: UUID, request_id: UUID) -> bool:
        with self._lock:
            found = self._database.execute(
                "SELECT 1 FROM event WHERE tracking_id = ? AND name = ? AND json_extract(fields, '$.request') = ?",
                (str(tracking_id), kind.value.name, str(request_id)),
            ).fetchone()
        return found is not None

    def last_of(self, *kinds: Kind) -> Kind | None:
        """Which of these was written last."""
        names = {kind.value.name: kind for kind in kinds}
        marks = ", ".join("?" * len(names))
        with self._lock:
            found = self._database.execute(
                f"SELECT name FROM event WHERE name IN ({marks}) ORDER BY number DESC LIMIT 1",  # noqa: S608 (marks)
                list(names),
            ).fetchone()
        return names[found[0]] if found else None

    def close(self) -> None:
        with self._lock:
            self._database.close()
        self._lines.close()
        if self._system:
            self._system.close()


def read_events(
    folder: Path, *, source: str | None = None, tracking_id: str | None = None, after: int = 0, last: int | None = None
) -> Iterator[Event]:
    """Events in the order of writing, those with a greater number than ``after``; only the ``last`` many if given."""
    path = folder / "events.sqlite"
    if not path.exists():
        return
    question = "SELECT number, time, id, name, source, level, tracking_id, message, fields FROM event WHERE number > ?"
    values: list[str | int] = [after]
    if source:
        question += " AND source = ? COLLATE NOCASE"
        values.append(source)
    if tracking_id:
        question += " AND tracking_id = ?"
        values.append(tracking_id.lower())
    question += " ORDER BY number DESC LIMIT ?"
    values.append(-1 if last is None else last)
    # Not mode=ro: a killed agent may have left a journal, and whoever opens the log next has to roll it back.
    database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=10)
    try:
        database.execute("PRAGMA query_only = ON")
        rows = database.execute(question, values).fetchall()
    finally:
        database.close()
    for number, time, id_, name, source_, level, tracking, message, fields in reversed(rows):
        about = UUID(tracking) if tracking else None
        yield Event(number, datetime.fromisoformat(time), id_, name, source_, level, about, message, json.loads(fields))


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
    path.chmod(0o600)
    database.execute("PRAGMA journal_mode = PERSIST")
    # A killed process loses nothing so, a power cut may: waiting for the disk would cost each reset several
    # milliseconds, and the same events stand in the lines file and in the machine's log.
    database.execute("PRAGMA synchronous = OFF")
    database.executescript(_SCHEMA)
    database.execute("PRAGMA quick_check(1)")
    return database


class _PrivateLines(logging.handlers.RotatingFileHandler):
    """Each new file is for its owner alone, whatever the umask."""

    def _open(self) -> TextIOWrapper:
        Path(self.baseFilename).touch(mode=0o600)
        return super()._open()


def _lines_handler(path: Path) -> logging.Handler:
    return _PrivateLines(path, maxBytes=MAX_LINES_FILE, backupCount=5, encoding="utf-8")


def _system_handler() -> logging.Handler | None:
    if not _SYSLOG_SOCKET.is_socket():
        return None
    try:
        handler = logging.handlers.SysLogHandler(str(_SYSLOG_SOCKET), logging.handlers.SysLogHandler.LOG_DAEMON)
    except OSError:
        return None
    handler.ident = "keyback-agent: "
    return handler


_PYTHON_LEVELS = {Level.INFORMATION: logging.INFO, Level.WARNING: logging.WARNING, Level.ERROR: logging.ERROR}


def _emit(handler: logging.Handler, level: Level, text: str) -> None:
    handler.handle(logging.LogRecord("keyback.agent", _PYTHON_LEVELS[level], "", 0, text, None, None))
