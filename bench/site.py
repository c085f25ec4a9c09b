"""What the measurements run on: a forest, PostgreSQL, a mail server, and each part of Keyback in its process."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
from tests.support import postgres
from tests.support.person import PersonAtBrowser
from tests.support.smtp import Sink, sink

import lab
from lab import api
from lab.people import Person
from lab.stack import AgentProcess, ApartStack, wait_until

__all__ = ["Site", "site"]

FOREST = "bench"


@dataclass(slots=True)
class Site:
    stack: ApartStack
    forest: lab.Forest
    mail: Sink
    agent: AgentProcess
    database: str

    def people(self, count: int) -> list[Person]:
        """New people whom directory and portal know."""
        made = [api.new_person(self.forest) for _ in range(count)]
        self.stack.keyback("agent", "sync", "run", "--config", str(self.agent.config))
        return made

    def user_id(self, person: Person) -> str:
        return person.user_id(self.forest.dns_domain)

    def browser(self) -> PersonAtBrowser:
        return PersonAtBrowser(self.stack.url, self.mail)

    def processes(self) -> dict[str, psutil.Process]:
        return {
            "people's door": psutil.Process(self.stack.portal.pid),
            "agents' door": psutil.Process(self.stack.door.pid),
            "worker": psutil.Process(self.stack.worker.pid),
            "agent": psutil.Process(self.agent.pid),
        }

    def cpu(self) -> dict[str, float]:
        """Seconds of CPU that each process has used so far."""
        return {name: sum(process.cpu_times()[:2]) for name, process in self.processes().items()}

    def cpu_of_a_run(self) -> dict[str, float]:
        """The same of what a synchronisation keeps busy besides the agent, controller and database with all that they
        have forked."""
        controller = self.forest.controllers[0].first
        assert controller is not None
        with psycopg.connect(self.database) as database:
            backend = psutil.Process(database.info.backend_pid)
            postgres = backend.parent()
            assert postgres is not None
            return {
                "controller": _cpu(psutil.Process(controller.pid)),
                "door": _cpu(psutil.Process(self.stack.door.pid)),
                "database": _cpu(postgres) - _cpu(backend),
            }


def _cpu(process: psutil.Process) -> float:
    """Seconds of it and of all below it."""
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            total += sum(one.cpu_times()[:2])
    return total


@contextmanager
def site() -> Iterator[Site]:
    forest = lab.up(FOREST)
    try:
        # Minimum age and history as in the lab; nobody is locked out by what is measured.
        with (
            tempfile.TemporaryDirectory(prefix="keyback-bench-") as directory,
            sink() as mail,
            postgres.cluster() as url,
        ):
            stack = ApartStack(Path(directory), mail=(mail.host, mail.port), forests=[forest], database=url)
            try:
                stack.create()
                stack.start()
                agent = stack.onboard("agent1")
                agent.start()
                config = str(agent.config)
                wait_until(lambda: "657" in stack.keyback("agent", "events", "--config", config), "the agent", 60)
                time.sleep(1)  # the first heartbeat and synchronisation are over before anything is timed
                yield Site(stack, forest, mail, agent, url)
            finally:
                stack.stop()
    finally:
        lab.down(FOREST)
