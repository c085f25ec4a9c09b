"""Looking for secrets where they must not be: in files, in databases, in what processes show of themselves."""

from __future__ import annotations

import base64
import json
import os
import tempfile
import threading
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

__all__ = [
    "ProcessWatch",
    "files_below",
    "fresh_temporary_files",
    "open_files",
    "traces",
    "traces_in_files",
    "traces_in_postgres",
    "watching",
]

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


def files_below(*folders: Path, but: Collection[Path] = ()) -> Iterator[Path]:
    """``but``: folders that are left out, with all below them. Nor does it go into another file system, as the /proc
    of a root that somebody built below: its files are not kept there, and some may be read by nobody."""
    for folder in folders:
        for place, below, names in os.walk(folder):
            below[:] = [name for name in below if (path := Path(place, name)) not in but and not path.is_mount()]
            yield from (path for name in names if (path := Path(place, name)).is_file())


def fresh_temporary_files(since: float, folder: Path) -> Iterator[Path]:
    """What anybody wrote where temporary files go, since that moment (seconds since the epoch). ``folder``: this run's
    own among those that pytest makes side by side; the others' are left to their runs."""
    others = {path for path in folder.parent.glob("pytest-*") if path != folder}
    places = {Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"), Path("/dev/shm")}  # noqa: S108
    for path in files_below(*places, but=others):
        with suppress(OSError):
            if path.stat().st_mtime >= since:
                yield path


def open_files(*pids: int) -> Iterator[Path]:
    """What these processes have open, wherever it lies, also what has no name any more."""
    for pid in pids:
        yield from (path for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_file())


def traces_in_postgres(url: str, secrets: dict[str, str]) -> list[str]:
    """In the rows of all tables of a database, as text."""
    spelled, found = _spelled(secrets), []
    with psycopg.connect(url) as database:
        tables = database.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        assert len(tables) > 15
        for (table,) in tables:
            with database.cursor().copy(sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(table))) as rows:
                content = b"".join(rows)
            found += [f"{name} in the table {table}" for name in _named(content, spelled)]
    return found


class ProcessWatch:
    """Keeps every command line and every environment that any process but this one showed, and where it saw it."""

    def __init__(self) -> None:
        self.seen: dict[bytes, str] = {}
        self._over = threading.Event()

    def run(self) -> None:
        own = str(os.getpid())
        while not self._over.is_set():
            for process in Path("/proc").iterdir():
                if process.name.isdigit() and process.name != own:
                    for name in ("cmdline", "environ"):
                        with suppress(OSError):
                            self.seen.setdefault((process / name).read_bytes(), f"{name} of {_name_of(process)}")
            time.sleep(0.1)  # no command of Keyback's starts and ends faster

    def stop(self) -> None:
        self._over.set()

    def traces(self, secrets: dict[str, str]) -> list[str]:
        spelled = _spelled(secrets)
        return [f"{name} in the {where}" for shown, where in self.seen.items() for name in _named(shown, spelled)]


def _name_of(process: Path) -> str:
    return f"process {process.name} ({(process / 'comm').read_text().strip()})"


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
