"""`keyback serve` and its parts as real processes, each with a configuration of its own."""

import json
import os
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.ports import free_port
from tests.support.waiting import wait_until

COMMAND = [sys.executable, "-c", "from keyback.cli.main import main; main()"]


@dataclass
class Portal:
    """A directory with configuration, keys and database."""

    directory: Path
    port: int
    public_url: str
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    @property
    def config(self) -> Path:
        return self.directory / "portal.toml"

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """A command that ends by itself."""
        return subprocess.run(
            [*COMMAND, *arguments],
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @contextmanager
    def process(
        self, command: str, *options: str, port: int | None = None, ready: bool = True, keys: Path | None = None
    ) -> Iterator["Running"]:
        """A command that runs until the block ends, then is stopped by SIGTERM. ``keys``: a directory of its own."""
        config = self.config
        if port is not None:
            config = self.directory / f"portal-{port}.toml"
            text = self.config.read_text().replace(f'"127.0.0.1:{self.port}"', f'"127.0.0.1:{port}"')
            config.write_text(text.replace(str(self.directory / "keys"), str(keys or self.directory / "keys")))
        log = self.directory / f"{command}-{time.monotonic_ns()}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [*COMMAND, command, *options, "--config", str(config)],
                env=self._environment(),
                stdout=file,
                stderr=file,
            )
        running = Running(process, log, port or self.port, self.public_url.startswith("https"))
        try:
            if ready:
                wait_until(running.answers, timeout=30, what=f"the start of {command}")
            yield running
        finally:
            process.terminate()
            process.wait(30)

    def _environment(self) -> dict[str, str]:
        own = {k: v for k, v in os.environ.items() if not k.startswith(("KEYBACK_", "DJANGO_"))}
        return own | {"KEYBACK_CONFIG": str(self.config)}


@dataclass
class Running:
    process: "subprocess.Popen[bytes]"
    log: Path
    port: int
    encrypted: bool = False

    def answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        scheme = "https" if self.encrypted else "http"
        try:
            urllib.request.urlopen(  # noqa: S310 — the URL is ours
                f"{scheme}://127.0.0.1:{self.port}/nothing",
                timeout=2,
                context=ssl._create_unverified_context(),  # noqa: S323
            )
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    def lines(self) -> list[dict[str, object]]:
        """The log, which is JSON in every line."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


def make_portal(directory: Path, *, database: str | None = None, **settings: str) -> Portal:
    """With keys, and a database that is up to date."""
    port = free_port()
    portal = Portal(directory, port, settings.get("public_url", f"http://127.0.0.1:{port}"))
    from keyback.portal import keyring

    state, keys = directory / "state", directory / "keys"
    state.mkdir()
    keyring.create(keys)
    values = {
        "public_url": portal.public_url,
        "listen": f"127.0.0.1:{port}",
        "state_dir": str(state),
        "keys_dir": str(keys),
        "database": database or f"sqlite:///{state / 'keyback.sqlite3'}",
    } | settings
    portal.config.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items()))
    migrated = portal.run("migrate")
    assert migrated.returncode == 0, migrated.stderr
    return portal
