"""What the agent must still know after its own crash: SQLite, rollback journal, every commit on disk.

A request's row is made before anything is written to the directory, and holds its number (single use), the fence,
what the account looked like before, and how it ended. Beside it: how often each operation was carried out, what was
stopped by a cap, how often a password was tried on an account, and the number of the last push.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal
from uuid import UUID

from keyback.agent.config import Limits
from keyback.errors import ConfigurationError
from keyback.protocol.messages import Before, Operation, Outcome, Work

__all__ = ["Entry", "Journal", "RunKind", "SyncRun"]

RunKind = Literal["whole", "changes", "sweep"]

KEPT = timedelta(days=60)
"""Requests are remembered longer than any key that could open their boxes lives."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS request (
    id TEXT PRIMARY KEY, tracking_id TEXT NOT NULL, operation TEXT NOT NULL, initiator TEXT NOT NULL,
    fence INTEGER NOT NULL, before TEXT, outcome TEXT, reported INTEGER NOT NULL DEFAULT 0, at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS under_way (id TEXT PRIMARY KEY, work TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS unreported ON request (at) WHERE outcome IS NOT NULL AND NOT reported;
CREATE TABLE IF NOT EXISTS carried_out (operation TEXT NOT NULL, at TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS carried_out_when ON carried_out (operation, at);
CREATE TABLE IF NOT EXISTS tried (
    number INTEGER PRIMARY KEY, account TEXT NOT NULL, at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS tried_when ON tried (account, at);
CREATE TABLE IF NOT EXISTS stopped (operation TEXT PRIMARY KEY, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS resumed (operation TEXT PRIMARY KEY, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS number (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS sync_run (
    id TEXT PRIMARY KEY, forest TEXT NOT NULL, started_at TEXT NOT NULL, finished_at TEXT,
    people INTEGER NOT NULL DEFAULT 0, added INTEGER NOT NULL DEFAULT 0, changed INTEGER NOT NULL DEFAULT 0,
    removed INTEGER NOT NULL DEFAULT 0, refused INTEGER NOT NULL DEFAULT 0, problem TEXT NOT NULL DEFAULT '',
    kind TEXT NOT NULL DEFAULT 'whole', held INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS note (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_ADDED = (("sync_run", "kind", "TEXT NOT NULL DEFAULT 'whole'"), ("sync_run", "held", "INTEGER NOT NULL DEFAULT 0"))
"""Columns that a journal of an older version does not have."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One request as journaled. ``outcome`` is None while it may be under way."""

    tracking_id: UUID
    operation: Operation
    initiator: str
    fence: int
    before: Before | None
    outcome: Outcome | None
    reported: bool


@dataclass(frozen=True, slots=True)
class SyncRun:
    """One run. ``problem`` is "" when it came to its end. ``held``: people who have gone, and wait to be confirmed."""

    id: UUID
    forest: str
    started_at: datetime
    finished_at: datetime | None
    people: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0
    refused: int = 0
    problem: str = ""
    kind: RunKind = "whole"
    held: int = 0

    @property
    def end(self) -> str:
        return self.problem or ("going on" if self.finished_at is None else "complete")


class Journal:
    """Safe in threads, and beside the commands of another process. Raises ConfigurationError when it cannot open."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._told: set[UUID] = set()
        try:
            self._database = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
            path.chmod(0o600)
            # Not WAL: Debian's SQLite has a bug there that can corrupt a database after a reset of the log.
            self._database.execute("PRAGMA journal_mode = PERSIST")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.execute("PRAGMA secure_delete = ON")  # boxes are sealed, and still nothing to leave about
            self._database.executescript(_SCHEMA)
            for table, column, kind in _ADDED:
                if column not in {row[1] for row in self._database.execute(f"PRAGMA table_info({table})")}:
                    self._database.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")
        except sqlite3.DatabaseError as error:
            raise ConfigurationError(f"{path}: the journal cannot be used: {error}") from None

    def close(self) -> None:
        with self._written():
            pass  # what was told is marked on the way
        with self._lock:
            self._database.close()

    # --- requests

    def entry(self, request_id: UUID) -> Entry | None:
        with self._lock:
            row = self._database.execute(
                "SELECT tracking_id, operation, initiator, fence, before, outcome, reported FROM request WHERE id = ?",
                (str(request_id),),
            ).fetchone()
        return None if row is None else _entry(row)

    def begin(
        self,
        request_id: UUID,
        *,
        tracking_id: UUID,
        operation: Operation,
        initiator: str,
        fence: int,
        before: Before | None,
        limits: Limits,
        now: datetime,
        work: Work | None = None,
    ) -> bool:
        """Journals that this request is about to be carried out, and counts it. ``work``, with its sealed box, is kept
        until it has ended, so that what became of it can be found out without the portal.

        False when the cap is reached: the operation has stopped, and nothing else was journaled.
        """
        with self._written() as database:
            if not _spend(database, operation, limits, now):
                return False
            database.execute(
                "INSERT INTO request (id, tracking_id, operation, initiator, fence, before, at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET fence = excluded.fence, before = excluded.before, at = excluded.at"
                " WHERE outcome IS NULL",
                (
                    str(request_id),
                    str(tracking_id),
                    operation,
                    initiator,
                    fence,
                    None if before is None else before.model_dump_json(),
                    now.isoformat(),
                ),
            )
            if work is not None:
                database.execute(
                    "INSERT OR REPLACE INTO under_way VALUES (?, ?)", (str(request_id), work.model_dump_json())
                )
            return True

    def end(self, outcome: Outcome, *, tracking_id: UUID, operation: Operation, initiator: str, now: datetime) -> None:
        """Journals how it ended; on disk when this returns."""
        with self._written() as database:
            database.execute(
                "INSERT INTO request (id, tracking_id, operation, initiator, fence, outcome, at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET fence = excluded.fence, outcome = excluded.outcome, reported = 0",
                (
                    str(outcome.request_id),
                    str(tracking_id),
                    operation,
                    initiator,
                    outcome.fence,
                    outcome.model_dump_json(),
                    now.isoformat(),
                ),
            )
            database.execute("DELETE FROM under_way WHERE id = ?", (str(outcome.request_id),))

    def unended(self, since: datetime, until: datetime) -> list[Work]:
        """What was begun in this time and has no end, to be resolved; oldest first."""
        with self._lock:
            rows = self._database.execute(
                "SELECT work, before FROM under_way JOIN request USING (id)"
                " WHERE outcome IS NULL AND before IS NOT NULL AND at BETWEEN ? AND ? ORDER BY at",
                (since.isoformat(), until.isoformat()),
            ).fetchall()
        return [
            Work.model_validate_json(work).model_copy(
                update={"kind": "resolve", "before": Before.model_validate_json(before)}
            )
            for work, before in rows
        ]

    def reported(self, request_id: UUID) -> None:
        """The portal has this outcome. Written with the next commit: losing it costs one repeated report."""
        with self._lock:
            self._told.add(request_id)

    def unreported(self) -> list[Entry]:
        """Ended, but the portal has not said that it knows; oldest first."""
        with self._written() as database:
            rows = database.execute(
                "SELECT tracking_id, operation, initiator, fence, before, outcome, reported FROM request"
                " WHERE outcome IS NOT NULL AND NOT reported ORDER BY at"
            ).fetchall()
        return [_entry(row) for row in rows]

    # --- caps

    def stopped(self) -> dict[Operation, datetime]:
        """The operations that a cap has stopped, and since when."""
        with self._lock:
            rows = self._database.execute("SELECT operation, at FROM stopped").fetchall()
        return {Operation(name): datetime.fromisoformat(at) for name, at in rows}

    def resume(self, now: datetime) -> list[Operation]:
        """Lets stopped operations go on, counted from now. Returns which these are."""
        with self._written() as database:
            names = [name for (name,) in database.execute("SELECT operation FROM stopped").fetchall()]
            database.executemany(
                "INSERT INTO resumed VALUES (?, ?) ON CONFLICT (operation) DO UPDATE SET at = excluded.at",
                [(name, now.isoformat()) for name in names],
            )
            database.execute("DELETE FROM stopped")
        return [Operation(name) for name in names]

    def carried_out(self, operation: Operation, since: datetime) -> int:
        with self._lock:
            return _count(self._database, operation, since)

    # --- tries of a current password

    def spend_try(self, account: UUID, *, since: datetime | None, most: int, now: datetime) -> int | None:
        """Counts one more try on this account before it is made, and returns its number; None, and counts nothing, when
        there were ``most`` after ``since`` (None: ever)."""
        with self._written() as database:
            (spent,) = database.execute(
                "SELECT count(*) FROM tried WHERE account = ? AND at > ?",
                (str(account), "" if since is None else since.isoformat()),
            ).fetchone()
            if spent >= most:
                return None
            made = database.execute("INSERT INTO tried (account, at) VALUES (?, ?)", (str(account), now.isoformat()))
        return made.lastrowid

    def last_try(self, account: UUID) -> datetime | None:
        with self._lock:
            (at,) = self._database.execute("SELECT max(at) FROM tried WHERE account = ?", (str(account),)).fetchone()
        return None if at is None else datetime.fromisoformat(at)

    def forgive_try(self, number: int) -> None:
        """It was not a wrong password after all."""
        with self._written() as database:
            database.execute("DELETE FROM tried WHERE number = ?", (number,))

    def forgive_tries(self, account: UUID) -> None:
        """The directory itself has begun to count anew."""
        with self._written() as database:
            database.execute("DELETE FROM tried WHERE account = ?", (str(account),))

    # --- synchronisation

    def next_push(self, now: datetime) -> int:
        """A number greater than any before, even where this file was restored from a backup."""
        with self._written() as database:
            (value,) = database.execute(
                "INSERT INTO number VALUES ('push', ?)"
                " ON CONFLICT (name) DO UPDATE SET value = max(value + 1, excluded.value) RETURNING value",
                (int(now.timestamp() * 1000),),
            ).fetchone()
        return int(value)

    def save_run(self, run: SyncRun) -> None:
        """A forest has one run at a time: with a new one, an earlier one that never ended was broken off."""
        with self._written() as database:
            if run.finished_at is None:
                database.execute(
                    "UPDATE sync_run SET problem = 'broken off' WHERE forest = ? AND id != ? AND finished_at IS NULL",
                    (run.forest, str(run.id)),
                )
            finished = None if run.finished_at is None else run.finished_at.isoformat()
            database.execute(
                "INSERT OR REPLACE INTO sync_run VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (str(run.id), run.forest, run.started_at.isoformat(), finished, *astuple(run)[4:]),
            )

    def runs(self, last: int = 10, *, forest: str | None = None, kind: str | None = None) -> list[SyncRun]:
        """The latest runs, newest first."""
        question = (
            "SELECT id, forest, started_at, finished_at, people, added, changed, removed, refused, problem, kind, held"
            " FROM sync_run WHERE forest = coalesce(?, forest) AND kind = coalesce(?, kind)"
            " ORDER BY started_at DESC LIMIT ?"
        )
        with self._lock:
            rows = self._database.execute(question, (forest, kind, last)).fetchall()
        return [
            SyncRun(
                UUID(id_),
                name,
                datetime.fromisoformat(started),
                None if finished is None else datetime.fromisoformat(finished),
                *rest,
            )
            for id_, name, started, finished, *rest in rows
        ]

    def note(self, name: str) -> str | None:
        """What was noted under this name."""
        with self._lock:
            row = self._database.execute("SELECT value FROM note WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def write_note(self, name: str, value: str) -> None:
        with self._written() as database:
            database.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", (name, value))

    # --- upkeep

    def prune(self, now: datetime) -> None:
        """Forgets what is too old to matter."""
        old = (now - KEPT).isoformat()
        with self._written() as database:
            database.execute("DELETE FROM request WHERE at < ? AND (reported OR outcome IS NULL)", (old,))
            database.execute("DELETE FROM under_way WHERE id NOT IN (SELECT id FROM request)")
            database.execute("DELETE FROM tried WHERE at < ?", (old,))
            database.execute("DELETE FROM sync_run WHERE started_at < ?", (old,))
            database.execute("DELETE FROM carried_out WHERE at < ?", ((now - timedelta(days=1)).isoformat(),))

    @contextmanager
    def _written(self) -> Iterator[sqlite3.Connection]:
        """One transaction, which also marks what was told meanwhile."""
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                told = list(self._told)
                self._database.executemany(
                    "UPDATE request SET reported = 1 WHERE id = ? AND outcome IS NOT NULL",
                    [(str(id_),) for id_ in told],
                )
                yield self._database
                self._database.execute("COMMIT")
                self._told.difference_update(told)
            except BaseException:
                self._database.execute("ROLLBACK")
                raise


def _spend(database: sqlite3.Connection, operation: Operation, limits: Limits, now: datetime) -> bool:
    if database.execute("SELECT 1 FROM stopped WHERE operation = ?", (operation,)).fetchone():
        return False
    hour = _count(database, operation, now - timedelta(hours=1))
    day = _count(database, operation, now - timedelta(days=1))
    if hour >= limits.per_hour or day >= limits.per_day:
        database.execute("INSERT INTO stopped VALUES (?, ?)", (operation, now.isoformat()))
        return False
    database.execute("INSERT INTO carried_out VALUES (?, ?)", (operation, now.isoformat()))
    return True


def _count(database: sqlite3.Connection, operation: Operation, since: datetime) -> int:
    (count,) = database.execute(
        "SELECT count(*) FROM carried_out WHERE operation = ?1"
        " AND at > max(?2, coalesce((SELECT at FROM resumed WHERE operation = ?1), ''))",
        (operation, since.isoformat()),
    ).fetchone()
    return int(count)


def _entry(row: tuple[str, str, str, int, str | None, str | None, int]) -> Entry:
    tracking_id, operation, initiator, fence, before, outcome, reported = row
    return Entry(
        UUID(tracking_id),
        Operation(operation),
        initiator,
        fence,
        None if before is None else Before.model_validate_json(before),
        None if outcome is None else Outcome.model_validate_json(outcome),
        bool(reported),
    )
