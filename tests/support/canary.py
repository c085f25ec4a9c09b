"""Looking for secrets where they must not be: in files, in databases, in what processes show of themselves."""

from __future__ import annotations

import base64
import json
import os
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

__all__ = ["ProcessWatch", "dump", "files_below", "fresh_temporary_files", "traces", "traces_in_files", "watching"]

_LARGEST_FILE = 200_000_000


def spellings(secret: str) -> set[bytes]:
    """The secret as it is written in texts, databases, URLs, JSON, base64 (at any offset) and hex."""
    found: set[bytes] = set()
    for raw in (secret.encode(), secret.encode("utf-16-le")):
        found |= {raw, raw.hex().encode(), raw.hex().upper().encode()}
        for offset in range(3):
            whole = base64.b64encode(b"\0" * offset + raw)
            # The first and last characters also depend on what stands beside the secret.
            inner = whole[(0, 2, 3)[offset] :].rstrip(b"=")[: -1 if (len(raw) + offset) % 3 else None]
            found |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    found |= {quote(secret, safe="").encode(), json.dumps(secret)[1:-1].encode()}
    return found


def traces(content: bytes, secrets: dict[str, str]) -> list[str]:
    """The names of the secrets that are in there, in whatever spelling."""
    return _named(content, _spelled(secrets))


def traces_in_files(files: Iterable[Path], secrets: dict[str, str]) -> list[str]:
    spelled, found = _spelled(secrets), []
    for file in files:
        with suppress(OSError):  # it went away meanwhile
            if file.stat().st_size < _LARGEST_FILE:
                found += [f"{name} in {file}" for name in _named(file.read_bytes(), spelled)]
    return found


def _spelled(secrets: dict[str, str]) -> dict[str, set[bytes]]:
    return {name: spellings(secret) for name, secret in secrets.items()}


def _named(content: bytes, spelled: dict[str, set[bytes]]) -> list[str]:
    return [name for name, texts in spelled.items() if any(text in content for text in texts)]


def files_below(*folders: Path) -> Iterator[Path]:
    for folder in folders:
        for place, _, names in os.walk(folder):
            yield from (path for name in names if (path := Path(place, name)).is_file())


def fresh_temporary_files(since: float) -> Iterator[Path]:
    """What anybody wrote where temporary files go, since that moment (seconds since the epoch)."""
    for path in files_below(*{Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"), Path("/dev/shm")}):  # noqa: S108
        with suppress(OSError):
            if path.stat().st_mtime >= since:
                yield path


def dump(url: str) -> bytes:
    """Every row of every table of a PostgreSQL database, as text."""
    content = bytearray()
    with psycopg.connect(url) as database:
        tables = database.execute("SELECT schemaname, tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        assert len(tables) > 15
        for schema, table in tables:
            with database.cursor().copy(sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(schema, table))) as rows:
                for row in rows:
                    content += row
    return bytes(content)


class ProcessWatch:
    """Keeps every command line and every environment that any process but this one showed."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._over = threading.Event()

    def run(self) -> None:
        own = str(os.getpid())
        while not self._over.is_set():
            for process in Path("/proc").iterdir():
                if process.name.isdigit() and process.name != own:
                    for name in ("cmdline", "environ"):
                        with suppress(OSError):
                            self.seen.add((process / name).read_bytes())
            time.sleep(0.1)  # no command of Keyback's starts and ends faster

    def stop(self) -> None:
        self._over.set()

    def traces(self, secrets: dict[str, str]) -> list[str]:
        spelled = _spelled(secrets)
        return [f"{name} in {shown[:200]!r}" for shown in self.seen for name in _named(shown, spelled)]


@contextmanager
def watching() -> Iterator[ProcessWatch]:
    watch = ProcessWatch()
    thread = threading.Thread(target=watch.run, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        watch.stop()
        thread.join()
