"""The agent, killed at one point of a reset's road, or a change's: ``crashing_agent.py POINT agent run --config FILE``.

The point is a place in this file's table, never a switch in the product: the product's steps are methods, and here one
of them is wrapped so that the process kills itself, with SIGKILL, before or after it.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from ldap.ldapobject import SimpleLDAPObject

from keyback.agent.steps import Steps
from keyback.agent.writeback import Writeback
from keyback.cli.main import main
from keyback.protocol.encoding import b64decode
from keyback.protocol.messages import Envelope, Operation, parse

__all__ = ["POINTS"]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def is_write(subject: Any) -> bool:
    """Inspections take the same road before the write does; they go on. ``subject``: a Task, a Work or an Outcome."""
    if hasattr(subject, "inspection"):
        return subject.inspection is None
    envelope = getattr(subject, "envelope", None)
    if isinstance(envelope, str):
        envelope = parse(Envelope, b64decode(envelope))
    return isinstance(envelope, Envelope) and envelope.operation in (Operation.RESET, Operation.CHANGE)


def before(owner: type, name: str) -> None:
    step = getattr(owner, name)

    def killed(self: Any, subject: Any, *rest: Any, **named: Any) -> Any:
        if is_write(subject):
            die()
        return step(self, subject, *rest, **named)

    setattr(owner, name, killed)


def after(owner: type, name: str) -> None:
    step = getattr(owner, name)

    def killed(self: Any, subject: Any, *rest: Any, **named: Any) -> Any:
        result = step(self, subject, *rest, **named)
        if is_write(subject):
            die()
        return result

    setattr(owner, name, killed)


def during_modify() -> None:
    """The write is on its way to the directory; nobody is there any more to hear the answer."""
    send = SimpleLDAPObject.modify_ext

    def killed(self: Any, dn: str, changes: Any, *rest: Any, **named: Any) -> Any:
        message = send(self, dn, changes, *rest, **named)
        if any(name == "unicodePwd" for _, name, _ in changes):
            die()
        return message

    SimpleLDAPObject.modify_ext = killed


def after_journal_before_report() -> None:
    """Disk and portal are waited for at the same time; here the disk comes first."""
    report = Steps.report

    def killed(self: Any, outcome: Any) -> None:
        if is_write(outcome):
            while (entry := self._journal.entry(outcome.request_id)) is None or entry.outcome is None:
                time.sleep(0.001)
            die()
        report(self, outcome)

    setattr(Steps, "report", killed)  # noqa: B010 — mypy knows that methods are not for assigning; this script does


POINTS: dict[str, Callable[[], None]] = {
    "before_claim_processing": lambda: before(Writeback, "carry_out"),
    "after_inspect": lambda: after(Steps, "look"),
    "after_box_opened": lambda: after(Steps, "open_box"),
    "after_before_journaled": lambda: after(Steps, "journal_before"),
    "after_grant": lambda: after(Steps, "ask_to_write"),
    "during_modify": during_modify,
    "after_modify_before_journal": lambda: before(Steps, "journal_outcome"),
    "after_journal_before_report": after_journal_before_report,
    "after_report": lambda: after(Steps, "report"),
}
"""In the order of the road. ``look`` is the agent's own inspection just before the write."""


if __name__ == "__main__":
    POINTS[sys.argv[1]]()
    main(sys.argv[2:])
