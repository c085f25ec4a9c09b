"""Synchronisation: whole runs end to end into PostgreSQL, beside the directory's own paged read of the same people.

Both take turns, so that both meet the same noise of the machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import click
from tests.support.memory import peak_kb

from bench.site import Site
from keyback.agent.config import ForestConfig, load
from keyback.directory import connect
from lab import api
from lab.stack import KEYBACK

__all__ = ["measure", "run"]

PEOPLE = int(os.environ.get("KEYBACK_BENCH_PEOPLE", "20000"))


def run(here: Site) -> None:
    here.agent.stop()
    click.echo(f"\nSynchronisation: writing {PEOPLE} people into the forest …")
    api.add_crowd(here.forest, PEOPLE)
    measure(here)
    here.agent.start()


def measure(here: Site) -> None:
    """Of a directory whose people the portal does not have yet; the agent must not run."""
    (forest,) = load(here.agent.config).forest
    read = [_read_alone(forest)]
    first = _whole_run(here)
    read.append(_read_alone(forest))
    again = _whole_run(here)
    read.append(_read_alone(forest))
    with _a_core_busy():
        beside = _read_alone(forest)
    count, alone = read[0][0], sum(rate for _, rate in read) / len(read)
    each = ", ".join(f"{rate:.0f}" for _, rate in read)
    click.echo(f"{'':34}{'people/s':>9}  of the directory's own  CPU in µs for each")
    click.echo(f"{f'paged read alone, {count} people':34}{alone:9.0f}  ({each})")
    # A run keeps a second core at work, and many machines' cores are slower then: two threads of one, or shared.
    click.echo(f"{'the same, a core busy with nothing':34}{beside[1]:9.0f}")
    for name, run_, (before, after) in (
        ("first run, everybody new", first, read[:2]),
        ("whole run, nobody changed", again, read[1:]),
    ):
        ratio = run_.rate / ((before[1] + after[1]) / 2)
        cpu = ", ".join(f"{part} {1e6 * seconds / count:.0f}" for part, seconds in run_.cpu.items())
        click.echo(f"{name:34}{run_.rate:9.0f}  {ratio:<22.2f}  {cpu}")
    click.echo(f"the agent's memory at its peak: {first.memory / 1024:.0f} MB")


@dataclass(frozen=True, slots=True)
class _Run:
    """``rate``: people a second. ``memory``: the agent's peak in KB. ``cpu``: seconds of each process."""

    rate: float
    memory: int
    cpu: dict[str, float]


def _read_alone(config: ForestConfig) -> tuple[int, float]:
    """How many there are, and how many a second the directory gives, by the same search as the agent's."""
    server = config.servers_with_password()[0]
    with connect(server) as connection:
        begun = time.perf_counter()
        count = sum(
            1 for base in config.base_dns for _ in connection.paged(base, config.shape.attributes, config.filter)
        )
        return count, count / (time.perf_counter() - begun)


@contextmanager
def _a_core_busy() -> Iterator[None]:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            yield
        finally:
            process.kill()


def _whole_run(here: Site) -> _Run:
    config = str(here.agent.config)
    before = here.cpu_of_a_run()
    with subprocess.Popen([KEYBACK, "agent", "sync", "run", "--config", config], stdout=subprocess.DEVNULL) as process:
        memory = 0
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            memory = peak_kb(process.pid) or memory
            time.sleep(0.05)
        _, status, usage = ended
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, "the run broke off"
    cpu = {part: seconds - before[part] for part, seconds in here.cpu_of_a_run().items()}
    last = json.loads(here.stack.keyback("agent", "sync", "history", "--last", "1", "--json", "--config", config))
    agent = usage.ru_utime + usage.ru_stime
    return _Run(last["people"] / last["seconds"], memory, {**cpu, "agent": agent})
