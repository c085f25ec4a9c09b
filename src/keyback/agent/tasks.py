"""One request on its road through the agent, and what it ends with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from keyback.agent.catalogue import Kind
from keyback.agent.refusals import Refused
from keyback.directory import Account, Connection, Lockout
from keyback.passwords import DirectoryPolicy
from keyback.protocol.messages import Before, Envelope, Finding, Inspection, Operation, Outcome, Work
from keyback.protocol.outcomes import OutcomeCode, Shortfall

__all__ = ["SELF", "Seen", "Task", "Withdrawn", "capped", "ended", "must_change", "operation_events"]


@dataclass(slots=True)
class Task:
    """One request on its road. ``gone_at``: when the portal gives it up, on the clock of `Clock.elapsed`.

    ``sent``: from here on nobody may say that it was not written without having looked. ``account`` and ``server`` are
    for the log, once they are known.
    """

    envelope: Envelope
    work: Work
    fence: int
    box: bytes | None
    gone_at: float
    before: Before | None = None
    sent: bool = False
    account: str = ""
    server: str = ""
    notes: list[str] = field(default_factory=list)
    shortfalls: list[Shortfall] = field(default_factory=list)

    @property
    def request_id(self) -> UUID:
        return self.envelope.request_id

    @property
    def meant(self) -> Operation:
        """The operation whose rules hold: an inspection looks ahead to another one."""
        envelope = self.envelope
        return envelope.inspect_for if envelope.operation is Operation.INSPECT else envelope.operation


@dataclass(frozen=True, slots=True)
class Seen:
    """The account as found just before the write, on the connection that will write it."""

    connection: Connection
    account: Account
    policy: DirectoryPolicy
    lockout: Lockout
    now: datetime


class Withdrawn(Exception):
    """The portal did not grant the write. Nothing was sent, and the portal knows what becomes of the request."""


_EVENTS: dict[Operation, tuple[Kind, Kind, Kind]] = {
    Operation.CHANGE: (Kind.CHANGE_START, Kind.CHANGE_SUCCESS, Kind.CHANGE_FAIL),
    Operation.VERIFY: (Kind.VERIFY_START, Kind.VERIFY_SUCCESS, Kind.VERIFY_FAIL),
    Operation.UNLOCK: (Kind.UNLOCK_START, Kind.UNLOCK_SUCCESS, Kind.UNLOCK_FAIL),
    Operation.EXPIRE: (Kind.EXPIRE_START, Kind.EXPIRE_SUCCESS, Kind.EXPIRE_FAIL),
}
_BY_PERSON = (Kind.RESET_START, Kind.RESET_SUCCESS, Kind.RESET_FAIL)
_BY_ADMINISTRATOR = (Kind.ADMIN_RESET_START, Kind.ADMIN_RESET_SUCCESS, Kind.ADMIN_RESET_FAIL)

SELF = "self"
"""The initiator of a person's own request."""


def operation_events(operation: Operation, initiator: str) -> tuple[Kind, Kind, Kind]:
    """The start, success and failure events of an operation."""
    return _EVENTS.get(operation) or (_BY_PERSON if initiator == SELF else _BY_ADMINISTRATOR)


def ended(
    task: Task,
    code: OutcomeCode,
    *,
    detail: str = "",
    findings: Sequence[Finding] = (),
    inspection: Inspection | None = None,
) -> Outcome:
    """The outcome of a request, under the fence that it has now."""
    return Outcome(
        request_id=task.request_id,
        fence=task.fence,
        code=code,
        findings=list(findings),
        inspection=inspection,
        detail=detail[:1000],
    )


def must_change(task: Task, account: Account) -> bool:
    """Whether this write is to make the password a temporary one. Where passwords never expire pwdLastSet 0 asks for
    nothing, and would surprise whoever removes that flag years later."""
    return task.envelope.flags.must_change and not account.never_expires


def capped(operation: Operation) -> Refused:
    return Refused(OutcomeCode.CAPPED, [Kind.CAPPED], f"{operation} has stopped at its cap")
