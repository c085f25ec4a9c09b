"""What ``keyback agent status`` tells, read from the state directory: the agent need not run."""

from __future__ import annotations

from datetime import timedelta

from keyback.agent.build import journal
from keyback.agent.clock import SystemClock
from keyback.agent.config import AgentConfig
from keyback.agent.events import read_events
from keyback.agent.identity import load_identity
from keyback.agent.journal import Journal, SyncRun
from keyback.agent.keys import KeyStore
from keyback.agent.switch import Switch

__all__ = ["status_of"]


def status_of(config: AgentConfig) -> dict[str, str | list[str]]:
    """Plain lines by name. Raises ConfigurationError for an agent that is not onboarded."""
    identity = load_identity(config.state_dir)
    keys = KeyStore.load(config.state_dir / "keys", timedelta(seconds=config.key_life_s))
    switch = Switch(config.state_dir, identity.forests.values())
    book = journal(config)
    try:
        return {
            "agent": f"{identity.name} ({identity.agent_id})",
            "organization": identity.organization,
            "portal": config.portal or identity.portal,
            "fingerprint": identity.fingerprint,
            "service_accounts": [f"{forest.name}: {forest.account}" for forest in config.forest],
            "writeback": [f"{one.name}: {switch.of(one.name).replace('_', ' ')}" for one in config.forest],
            "keys": [f"{key} since {made_at:%Y-%m-%d %H:%M} UTC" for key, made_at in keys.ages()],
            "operations": _operations(config, book),
            "unreported": str(len(book.unreported())),
            "synchronised": [_run(run) for run in book.runs(3)],
            "last_event": [
                f"{event.time:%Y-%m-%d %H:%M:%S} UTC {event.id} {event.message}"
                for event in read_events(config.state_dir, last=1)
            ],
        }
    finally:
        book.close()


def _operations(config: AgentConfig, book: Journal) -> list[str]:
    now = SystemClock().now()
    stopped = book.stopped()
    lines = []
    for operation in sorted(config.limits.operations):
        hour = book.carried_out(operation, now - timedelta(hours=1))
        day = book.carried_out(operation, now - timedelta(days=1))
        halted = ", STOPPED at its cap: 'keyback agent resume'" if operation in stopped else ""
        lines.append(
            f"{operation}: {hour} of {config.limits.per_hour} this hour, {day} of {config.limits.per_day} today{halted}"
        )
    return lines


def _run(run: SyncRun) -> str:
    what = f"{run.people} people, {run.changed} changed, {run.end}"
    return f"{run.started_at:%Y-%m-%d %H:%M:%S} UTC {run.forest}: {what}"
