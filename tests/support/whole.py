"""A whole Keyback for tests: a forest, a mail sink, a portal and one confirmed agent, as real processes.

A ``conftest.py`` takes the fixtures: ``forest`` from lab.testing, ``mail`` and ``whole`` from here.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import tomllib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import lab
from keyback.agent.events import Event, read_events
from lab import api
from lab.people import Kind, Person
from lab.stack import AgentProcess, Stack
from tests.support import portals
from tests.support import smtp as smtp_support
from tests.support.person import PersonAtBrowser
from tests.support.waiting import wait_until

__all__ = ["Whole", "build", "fresh_password", "mail", "start_agent", "whole"]


def fresh_password() -> str:
    """One that no rule refuses and nobody had before."""
    return f"Kb-{secrets.token_hex(8)}-Q7"


@dataclass(slots=True)
class Whole:
    """What a test may look at and turn. Each test takes people of its own, so that no limit of one acts in another."""

    stack: Stack
    forest: lab.Forest
    mail: smtp_support.Sink
    agent: AgentProcess
    _stock: list[Person] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.stack.url

    def user_id(self, person: Person) -> str:
        return f"{person.account}@{self.forest.dns_domain}"

    def take(self) -> Person:
        """An ordinary person whom no other test has, from a stock that directory and portal know."""
        if not self._stock:
            self._stock = self.new_people(12)
        return self._stock.pop()

    def new_person(self, kind: Kind = Kind.ORDINARY, **given: Any) -> Person:
        """A person whom directory and portal both know."""
        return self.new_people(1, kind, **given)[0]

    def new_people(self, count: int, kind: Kind = Kind.ORDINARY, **given: Any) -> list[Person]:
        people = [api.new_person(self.forest, kind, **given) for _ in range(count)]
        self.sync()
        return people

    def sync(self, agent: AgentProcess | None = None) -> None:
        """A whole synchronisation, now."""
        self.stack.keyback("agent", "sync", "run", "--config", str((agent or self.agent).config))

    def browser(self, **given: Any) -> PersonAtBrowser:
        return PersonAtBrowser(self.url, self.mail, **given)

    def events(self, tracking_id: str, agent: AgentProcess | None = None) -> list[dict[str, Any]]:
        """What the agent's own log says about one operation, as ``keyback agent events --json`` prints it."""
        config = str((agent or self.agent).config)
        said = self.stack.keyback("agent", "events", "--config", config, "--json", "--tracking", tracking_id)
        return [json.loads(line) for line in said.splitlines()]

    def wait_for_event(self, tracking_id: str, id: str, agent: AgentProcess | None = None) -> dict[str, Any]:
        """The event with this number; the outcome reaches the portal a moment before the agent's last line."""

        def found() -> Event | None:
            events = read_events(_state_of(agent or self.agent), tracking_id=tracking_id)
            return next((event for event in events if event.id == id), None)

        return wait_until(found, timeout=10, what=f"event {id} of {tracking_id}").to_dict()

    def audit_entries(self, tracking_id: str) -> list[dict[str, Any]]:
        """The portal's audit of one operation, as ``keyback audit list --json`` prints it."""
        said = self.stack.keyback("audit", "list", self.stack.slug, "--json", "--tracking-id", tracking_id)
        return [json.loads(line) for line in said.splitlines()]

    def resets_of(self, person: Person, since: datetime | None = None) -> list[api.AuditEvent]:
        """What the domain controller itself recorded about this person."""
        return api.audit(self.forest, account=person.account, since=since)

    def restart_agent(self, agent: AgentProcess | None = None) -> None:
        """Stops (or, where it was killed, buries) the agent and starts it; returns when it takes requests."""
        chosen = agent or self.agent
        chosen.stop()
        start_agent(chosen, self.stack)

    def sql(self, statement: str, *values: object) -> list[Any]:
        """Reads or bends a row of the portal's SQLite database, for a moment that no click brings about in time."""
        with closing(sqlite3.connect(self.database, timeout=30)) as database, database:
            return database.execute(statement, values).fetchall()

    @property
    def database(self) -> Path:
        return Path(tomllib.loads(self.stack.config.read_text("utf-8"))["database"].removeprefix("sqlite:///"))

    @property
    def log_text(self) -> str:
        """All that the processes printed."""
        return "\n".join(path.read_text("utf-8", "replace") for path in sorted(self.stack.logs.iterdir()))


def start_agent(agent: AgentProcess, stack: Stack) -> None:
    """Starts it and waits until it says that it takes requests (event 31015)."""
    seen = _starts_of(agent)
    agent.start()

    def takes_requests() -> bool:
        if not agent.running:
            raise AssertionError(f"the agent ended: {agent.log.read_text('utf-8', 'replace')[-2000:]}")
        return _starts_of(agent) > seen

    wait_until(takes_requests, timeout=30, what="the agent's start")


def _state_of(agent: AgentProcess) -> Path:
    """Where lab.stack has it keep its state. Looked into again and again, and so without a process for each look."""
    return agent.config.parent / "state"


def _starts_of(agent: AgentProcess) -> int:
    return sum(event.id == "31015" for event in read_events(_state_of(agent)))


def build(directory: Path, forest: lab.Forest, mail: smtp_support.Sink, **given: Any) -> Whole:
    """A running Keyback in ``directory``. The caller stops it: ``whole.stack.stop()``."""
    stack = Stack(directory, mail=(mail.host, mail.port), forests=[forest], **given)
    try:
        portals.create(stack)
        # A reverse proxy in front, as most portals have: real browsers, too, can then come from addresses of their own.
        stack.config.write_text(f"trusted_proxies = 1\n{stack.config.read_text('utf-8')}", "utf-8")
        stack.portal.start()
        agent = stack.onboard("agent-one")
        whole = Whole(stack, forest, mail, agent)
        whole.sync()
        start_agent(agent, stack)
    except BaseException:
        stack.stop()
        raise
    return whole


@pytest.fixture(scope="session")
def mail() -> Iterator[smtp_support.Sink]:
    with smtp_support.sink() as sink:
        yield sink


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory, forest: lab.Forest, mail: smtp_support.Sink) -> Iterator[Whole]:
    """One Keyback for all tests of this run; each test takes people of its own."""
    built = build(tmp_path_factory.mktemp("whole"), forest, mail)
    try:
        yield built
    finally:
        built.stack.stop()
