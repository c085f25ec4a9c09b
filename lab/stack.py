"""A whole Keyback on loopback, as real processes: portal with both doors, and agents. For demo, tests and bench.

Everything goes through the commands that an administrator would type; nothing reaches into the processes.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.people import alternative_suffixes

if TYPE_CHECKING:
    from lab.forest import Forest

__all__ = ["AgentProcess", "ApartStack", "PortalProcess", "Stack", "free_port", "wait_until"]

KEYBACK = Path(sys.executable).with_name("keyback")


def free_port(host: str = "127.0.0.1") -> int:
    with socket.socket() as listener:
        listener.bind((host, 0))
        return int(listener.getsockname()[1])


def wait_until(question: Callable[[], object], what: str, timeout: float = 30) -> None:
    """Asks until the answer is true. Raises TimeoutError that names what was waited for."""
    end = time.monotonic() + timeout
    while not question():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {timeout:.0f} s for {what}")
        time.sleep(0.02)


def _environment() -> dict[str, str]:
    """This process's own, without what a test runner has put there for its own Django."""
    return {
        name: value for name, value in os.environ.items() if name not in ("DJANGO_SETTINGS_MODULE", "KEYBACK_CONFIG")
    }


class _Process:
    """One child in its own process group, its output in a file. Started, stopped and killed by its own id only."""

    def __init__(self, name: str, arguments: Sequence[str | Path], directory: Path) -> None:
        self.name = name
        self.arguments = [str(argument) for argument in arguments]
        self.log = directory / f"{name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None  # noqa: S101
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def spawn(self) -> None:
        if self.running:
            raise RuntimeError(f"{self.name} runs already, and nobody could stop the first one after this")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=_environment(),
            )

    def stop(self, timeout: float = 20) -> None:
        """SIGTERM, and SIGKILL when that did not help in time, or where a test's own time is over while this waits."""
        try:
            if self.process is not None and self.running:
                self.process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(timeout)
        finally:
            self.kill()

    def kill(self) -> None:
        """kill -9, the whole group: nothing gets to say goodbye."""
        if self.process is not None:
            if self.running:
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process = None

    def wait(self, timeout: float = 60) -> int:
        """The exit status, once it has ended by itself."""
        assert self.process is not None  # noqa: S101
        return self.process.wait(timeout)


class PortalProcess(_Process):
    """``alive``: a path that answers 200 once it serves."""

    def __init__(
        self, url: str, config: Path, directory: Path, command: str = "serve", alive: str = "/agents/v1/health"
    ) -> None:
        super().__init__(f"portal-{command}", [KEYBACK, command, "--config", config], directory)
        self.url = url
        self.config = config
        self._alive = alive

    def start(self) -> None:
        self.spawn()
        wait_until(self._answers, f"the portal to answer (its log is {self.log})", 60)

    def _answers(self) -> bool:
        if not self.running:
            raise RuntimeError(f"the portal ended at once: {self.log.read_text('utf-8', 'replace')[-2000:]}")
        try:
            with urllib.request.urlopen(f"{self.url}{self._alive}", timeout=2) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


class AgentProcess(_Process):
    """``wrapper``: a script that is run in place of the ``keyback`` command, for crash tests."""

    def __init__(self, name: str, config: Path, directory: Path, *, wrapper: Sequence[str | Path] = ()) -> None:
        super().__init__(name, [*(wrapper or [KEYBACK]), "agent", "run", "--config", config], directory)
        self.config = config

    def start(self) -> None:
        self.spawn()


class Stack:
    """``directory`` holds everything: configuration, keys, database, logs, agents. Remove it and nothing is left."""

    def __init__(
        self,
        directory: Path,
        *,
        mail: tuple[str, int],
        forests: Sequence[Forest] = (),
        database: str | None = None,
        port: int | None = None,
        work_cost: int = 1,
        organization: str = "Example",
    ) -> None:
        self.directory = directory
        self.portal_directory = directory / "portal"
        self.logs = directory / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.url = f"http://127.0.0.1:{port or free_port()}"
        self.agents_url = self.url
        self.config = self.portal_directory / "portal.toml"
        self.mail = mail
        self.forests = list(forests)
        self.database = database
        self.work_cost = work_cost
        self.organization = organization
        self.slug = organization.lower()
        self.portal = PortalProcess(self.url, self.config, self.logs)
        self.agents: dict[str, AgentProcess] = {}

    def keyback(self, *arguments: str, input: str | None = None) -> str:
        """Runs one command; its standard output. Raises RuntimeError with what it said when it failed."""
        done = subprocess.run(
            [KEYBACK, *arguments],
            input=input,
            capture_output=True,
            text=True,
            timeout=120,
            env={**_environment(), "KEYBACK_CONFIG": str(self.config)},
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"keyback {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def create(self, *, admin_mail: str = "admin@example.test") -> None:
        """Keys, configuration, database, one organization with its domains verified by the instance's operator."""
        database = ["--database", self.database] if self.database else []
        self.keyback("init", "--dir", str(self.portal_directory), "--public-url", self.url, *database)
        lines = [
            line
            for line in self.config.read_text("utf-8").splitlines()
            if not line.startswith(("listen", "work_cost", "[mail]", "host", "port", "sender", "security"))
        ]
        lines.insert(0, f'listen = "{self.url.removeprefix("http://")}"')
        lines.insert(0, f"work_cost = {self.work_cost}")
        lines += ["", "[mail]", f'host = "{self.mail[0]}"', f"port = {self.mail[1]}", 'sender = "keyback@example.test"']
        self.config.write_text("\n".join(lines) + "\n", "utf-8")
        self.keyback("org", "create", self.organization, "--slug", self.slug, "--admin-mail", admin_mail)
        for forest in self.forests:
            for domain in (forest.dns_domain, *alternative_suffixes(forest.dns_domain)):
                self.add_domain(domain)

    def add_domain(self, name: str) -> None:
        self.keyback("domain", "add", self.slug, name)
        self.keyback("domain", "verify", self.slug, name, "--by-operator")

    def onboard(
        self,
        name: str,
        forests: Sequence[Forest] | None = None,
        *,
        confirm: bool = True,
        wrapper: Sequence[str | Path] = (),
    ) -> AgentProcess:
        """Makes an agent's configuration, onboards it and, as an administrator would, confirms its fingerprint."""
        directory = self.directory / name
        directory.mkdir(exist_ok=True)
        config = directory / "agent.toml"
        config.write_text(agent_toml(self.agents_url, directory / "state", forests or self.forests), "utf-8")
        code = self.keyback("agent-code", "create", self.slug).split()[-1]
        said = self.keyback(
            "agent", "onboard", "--portal", self.agents_url, "--code", code, "--config", str(config), "--name", name
        )
        if confirm:
            found = re.search(r"([0-9a-f]{4} ){7}[0-9a-f]{4}", said)
            if found is None:
                raise RuntimeError(f"onboarding printed no fingerprint: {said}")
            self.keyback("agents", "confirm", self.slug, name, "--fingerprint", found.group())
        agent = AgentProcess(name, config, self.logs, wrapper=wrapper)
        self.agents[name] = agent
        return agent

    def stop(self) -> None:
        """Agents first. Each is stopped whatever happens while another one is."""
        with ExitStack() as stops:
            for process in self._processes():
                stops.callback(process.stop)

    def _processes(self) -> list[_Process]:
        """In the order in which they are started."""
        return [self.portal, *self.agents.values()]

    def kill(self) -> None:
        for process in self._processes():
            process.kill()


def agent_toml(portal: str, state: Path, forests: Sequence[Forest], sync_interval: int = 300) -> str:
    """An agent's file for these forests, allowed everything that the lab's service account may do."""
    lines = [f'portal = "{portal}"', f'state_dir = "{state}"', ""]
    lines += ["[limits]", 'operations = ["inspect", "verify", "reset", "change", "unlock", "expire"]']
    lines += ["per_hour = 100000", "per_day = 1000000"]
    for forest in forests:
        lines += [
            "",
            "[[forest]]",
            f'name = "{forest.dns_domain}"',
            f"domains = {json.dumps([forest.dns_domain, *alternative_suffixes(forest.dns_domain)])}",
            f'servers = ["{forest.ldaps_url}"]',
            f'ca_file = "{forest.ca_file}"',
            f'bind_dn = "{forest.service_dn}"',
            f'password_file = "{forest.service_password_file}"',
            f'base_dns = ["{forest.people_dn}"]',
            f"sync_interval_s = {sync_interval}",
        ]
    return "\n".join(lines) + "\n"


class ApartStack(Stack):
    """The same on PostgreSQL with each part in a process of its own: ``portal`` for people, ``door`` for agents,
    ``worker``. Each has a configuration file of its own that differs in ``listen`` only, as behind a proxy."""

    def __init__(self, directory: Path, *, database: str, **given: Any) -> None:
        super().__init__(directory, database=database, **given)
        self.agents_url = f"http://127.0.0.1:{free_port()}"
        door_config = self.portal_directory / "agents-door.toml"
        self.portal = PortalProcess(self.url, self.config, self.logs, "serve-people", "/recover/")
        self.door = PortalProcess(self.agents_url, door_config, self.logs, "serve-agents")
        self.worker = _Process("worker", [KEYBACK, "worker", "--config", self.config], self.logs)

    def create(self, **given: Any) -> None:
        super().create(**given)
        text = self.config.read_text("utf-8")
        here, there = (url.removeprefix("http://") for url in (self.url, self.agents_url))
        self.door.config.write_text(text.replace(f'listen = "{here}"', f'listen = "{there}"'), "utf-8")

    def start(self) -> None:
        self.portal.start()
        self.door.start()
        self.worker.spawn()

    def _processes(self) -> list[_Process]:
        return [self.worker, self.door, *super()._processes()]
