"""The first page: how many a second two processes of the people's door answer, beside the same server with nothing
behind it.

Both take turns under wrk, so that both meet the same noise of the machine. On two cores the load generator and
PostgreSQL run beside them; where others do too, the rate says how much of the machine was left, and the CPU for each
page what it costs.
"""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import tempfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import click
import psutil
from tests.support import postgres

from lab.stack import ApartStack, PortalProcess

__all__ = ["run"]

PROCESSES = 2
CONNECTIONS = 16
SECONDS = 5
ROUNDS = 4
PATH = "/recover/"


@dataclass(slots=True)
class Load:
    """What all rounds together took. ``cpu``: of the serving processes; ``wrk``: of the load generator. Seconds."""

    answers: int = 0
    wall: float = 0
    cpu: float = 0
    wrk: float = 0

    @property
    def rate(self) -> float:
        return self.answers / self.wall

    def told(self, name: str) -> str:
        server, wrk = (seconds * 1000 / self.answers for seconds in (self.cpu, self.wrk))
        return (
            f"  {name:<22}{self.rate:8,.0f} a second   {server:6.3f} ms CPU for each   load generator {wrk:6.3f} ms"
            f"   the processes got {self.cpu / self.wall:.2f} cores"
        )


def run() -> None:
    click.secho(f"\nThe first page: {PROCESSES} processes, {CONNECTIONS} kept connections, PostgreSQL", bold=True)
    with tempfile.TemporaryDirectory(prefix="keyback-bench-") as directory, postgres.cluster() as database:
        stack = ApartStack(Path(directory), mail=("127.0.0.1", 25), database=database)
        stack.create()
        door = PortalProcess(stack.url, stack.config, stack.logs, "serve-people", "/recover/")
        door.arguments += ["--processes", str(PROCESSES)]
        # The agents' door has an address of its own, and does not use it here.
        bare = PortalProcess(stack.agents_url, stack.door.config, stack.logs, "bare", "/")
        try:
            door.start()
            bare.arguments = [sys.executable, "-m", "bench.bare", "--config", str(bare.config)]
            bare.arguments += ["--processes", str(PROCESSES), "--size", str(_size(door.url + PATH))]
            bare.start()
            _take_turns(door, bare)
        finally:
            door.stop()
            bare.stop()


def _take_turns(door: PortalProcess, bare: PortalProcess) -> None:
    page, nothing = Load(), Load()
    with click.progressbar(range(ROUNDS), label="  asking") as bar:
        for _ in bar:
            _load(page, door, PATH)
            _load(nothing, bare, "/")
    click.echo(page.told("first page"))
    click.echo(nothing.told("nothing behind it"))
    click.echo(f"  ratio {page.rate / nothing.rate:.2f} of the rate of the server alone")


def _load(total: Load, server: PortalProcess, path: str) -> None:
    processes = psutil.Process(server.pid).children()
    before, before_wrk = _cpu(processes), resource.getrusage(resource.RUSAGE_CHILDREN)
    said = subprocess.run(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-H", "Accept-Language: en-GB,en;q=0.8", server.url + path],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = re.search(r"(\d+) requests in ([\d.]+)s", said)
    if found is None or "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(said)
    after_wrk = resource.getrusage(resource.RUSAGE_CHILDREN)
    total.answers += int(found[1])
    total.wall += float(found[2])
    total.cpu += _cpu(processes) - before
    total.wrk += after_wrk.ru_utime + after_wrk.ru_stime - before_wrk.ru_utime - before_wrk.ru_stime


def _cpu(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def _size(url: str) -> int:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 — ours, on loopback
        return len(answer.read())
