"""An agent as a process: run, asked by its commands, watched through its events."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tests.support.waiting import wait_until

from keyback.agent.events import Event, read_events
from lab.stack import KEYBACK, AgentProcess


@contextmanager
def running(agent: AgentProcess) -> Iterator[datetime]:
    """From when the agent runs; stopped at the end."""
    began = datetime.now(UTC)
    agent.start()
    try:
        yield began
    finally:
        agent.stop()


def state(agent: AgentProcess) -> Path:
    return agent.config.parent / "state"


def numbers(agent: AgentProcess, **choice: str) -> list[str]:
    return [event.id for event in read_events(state(agent), **choice)]  # type: ignore[arg-type]  # texts only


def wait_for(agent: AgentProcess, number: str, since: datetime) -> Event:
    def found() -> Event | None:
        return next((one for one in read_events(state(agent)) if one.id == number and one.time >= since), None)

    return wait_until(found, timeout=30, what=f"event {number}")


def run(agent: AgentProcess, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [KEYBACK, "agent", *arguments, "--config", agent.config]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
