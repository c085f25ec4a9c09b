"""Synchronisation: whole runs end to end into PostgreSQL, beside the directory's own paged read of the same people.

Both take turns, so that both meet the same noise of the machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import time

import click

from bench.site import Site
from keyback.agent.config import ForestConfig, load
from keyback.directory import connect
from keyback.directory.people import paged
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
    first, memory = _whole_run(here)
    read.append(_read_alone(forest))
    again, _ = _whole_run(here)
    read.append(_read_alone(forest))
    count, alone = read[0][0], sum(rate for _, rate in read) / len(read)
    each = ", ".join(f"{rate:.0f}" for _, rate in read)
    click.echo(f"{'':34}{'people/s':>9}  of the directory's own")
    click.echo(f"{f'paged read alone, {count} people':34}{alone:9.0f}  ({each})")
    click.echo(f"{'first run, everybody new':34}{first:9.0f}  {first / ((read[0][1] + read[1][1]) / 2):.2f}")
    click.echo(f"{'whole run, nobody changed':34}{again:9.0f}  {again / ((read[1][1] + read[2][1]) / 2):.2f}")
    click.echo(f"the agent's memory at its peak: {memory / 1024:.0f} MB")


def _read_alone(config: ForestConfig) -> tuple[int, float]:
    """How many there are, and how many a second the directory gives, by the same search as the agent's."""
    server = config.servers_with_password()[0]
    with connect(server) as connection:
        begun = time.perf_counter()
        count = sum(
            1 for base in config.base_dns for _ in paged(connection, base, config.shape.attributes, config.filter)
        )
        return count, count / (time.perf_counter() - begun)


def _whole_run(here: Site) -> tuple[float, int]:
    """People a second, and the agent's peak in KB."""
    config = str(here.agent.config)
    with subprocess.Popen([KEYBACK, "agent", "sync", "run", "--config", config], stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, "the run broke off"
    last = json.loads(here.stack.keyback("agent", "sync", "history", "--last", "1", "--json", "--config", config))
    return last["people"] / last["seconds"], usage.ru_maxrss
