"""Everything that makes this agent this agent, in one private file, and back: its configuration, the secrets that it
names, its keys, journal, events and marks.

A restored agent is the same one to its portal and need not be onboarded again. It makes a new unsealing key, since the
portal may know one that was made after the backup; the numbers of its pushes come from the clock and go on growing.
"""

from __future__ import annotations

import io
import sqlite3
import tarfile
import tempfile
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from keyback.agent.build import alone
from keyback.agent.clock import Clock
from keyback.agent.config import AgentConfig, load
from keyback.agent.files import make_private_directory, read_private, write_private
from keyback.agent.identity import load_identity
from keyback.agent.keys import KeyStore
from keyback.errors import ConfigurationError, KeybackError

__all__ = ["RestoreRefused", "backup", "restore"]

_CONFIG, _STATE = "agent.toml", "state/"
_LEFT_OUT = ("running.lock", "-journal", ".new", ".jsonl")
MOST_BYTES = 2_000_000_000


class RestoreRefused(KeybackError):
    """The backup cannot be used, or something stands where it would go. Nothing was changed."""

    code = "restore_refused"


def backup(config_file: Path, clock: Clock) -> bytes:
    """A tar archive; the agent may run meanwhile. Raises ConfigurationError."""
    config = load(config_file)
    load_identity(config.state_dir)  # there is nothing to keep of an agent that was never onboarded
    files = {_CONFIG: config_file.read_bytes(), **_state(config.state_dir)}
    for name, path in _named(config).items():
        files[name] = path.read_bytes() if name.endswith("ca.pem") else read_private(path)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = len(content), 0o600, int(clock.now().timestamp())
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def restore(archive: Path, config_file: Path, clock: Clock, *, replace: bool) -> AgentConfig:
    """Puts everything back where the configuration in it says. ``replace``: also over what is there. Raises
    RestoreRefused, and ConfigurationError where the agent runs."""
    files = _read(archive)
    config = _config_in(files)
    target = {_CONFIG: config_file, **_named(config)}
    target |= {name: config.state_dir / name.removeprefix(_STATE) for name in files if name.startswith(_STATE)}
    there = [path for name, path in target.items() if path.exists() and path.read_bytes() != files.get(name)]
    if there and not replace:
        raise RestoreRefused(f"{there[0]} is there already, and differs; --replace writes over it")
    make_private_directory(config.state_dir)
    with alone(config.state_dir):
        try:
            for name, path in target.items():
                if name in files:
                    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    path.with_name(path.name + "-journal").unlink(missing_ok=True)  # it belongs to another database
                    write_private(path, files[name])
                    if name.endswith("ca.pem"):
                        path.chmod(0o644)
            keys = KeyStore.load(config.state_dir / "keys", timedelta(seconds=config.key_life_s))
            keys.renew(clock.now())
        except OSError as error:
            raise RestoreRefused(f"{error.filename}: {error.strerror}") from None
    return config


def _named(config: AgentConfig) -> dict[str, Path]:
    """What the configuration names, by its name in the archive."""
    named: dict[str, Path | None] = {"ca.pem": config.ca_file}
    for forest in config.forest:
        named[f"forest/{forest.name}/password"] = forest.password_file
        named[f"forest/{forest.name}/keytab"] = forest.keytab
        named[f"forest/{forest.name}/ca.pem"] = forest.ca_file
    return {name: path for name, path in named.items() if path is not None}


def _state(directory: Path) -> dict[str, bytes]:
    found = {}
    for path in sorted(directory.rglob("*")):
        if path.is_file() and not any(part in path.name for part in _LEFT_OUT):
            content = _database(path) if path.suffix == ".sqlite" else path.read_bytes()
            found[_STATE + path.relative_to(directory).as_posix()] = content
    return found


def _database(path: Path) -> bytes:
    """As it is between two transactions: a copy of the file might be of the middle of one."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".backup.new") as directory:
        copy = Path(directory) / path.name
        with closing(sqlite3.connect(path, timeout=30)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        return copy.read_bytes()


def _read(archive: Path) -> dict[str, bytes]:
    try:
        with tarfile.open(archive, "r:gz") as opened:
            files = {}
            for member in opened:
                parts = Path(member.name).parts
                if not member.isfile() or member.name.startswith("/") or ".." in parts or member.size > MOST_BYTES:
                    raise RestoreRefused(f"{archive}: is no backup of an agent")
                content = opened.extractfile(member)
                files[member.name] = b"" if content is None else content.read()
    except (OSError, EOFError, tarfile.TarError) as error:
        raise RestoreRefused(f"{archive}: cannot be read: {error}") from None
    return files


def _config_in(files: dict[str, bytes]) -> AgentConfig:
    if not {_CONFIG, f"{_STATE}identity.json"} <= files.keys():
        raise RestoreRefused("this is no backup of an agent")
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / _CONFIG
        path.write_bytes(files[_CONFIG])
        try:
            return load(path)
        except ConfigurationError as error:
            raise RestoreRefused(f"the configuration in it: {error}") from None
