"""Every change of a recovery's state passes here: the row is locked, and the flow's table has the last word."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from keyback.flows import Event, State, advance
from keyback.portal.account.hold import HELD, is_held
from keyback.portal.audit.words import Activity, Result
from keyback.portal.recovery.models import Recovery
from keyback.portal.recovery.rows import locked
from keyback.portal.recovery.subjects import audit

__all__ = ["TIMED", "keep_held", "keep_time", "move"]

TIMED = (State.PROVE, State.INSPECT, State.CHOOSE)
"""Nothing is submitted yet: these end when their time is over."""


def move(recovery: Recovery, event: Event, **changes: Any) -> Recovery:
    """Advances a locked recovery and stores ``changes`` with it. Raises IllegalMove and stores nothing."""
    recovery.state = advance(State(recovery.state), event)
    for name, value in changes.items():
        setattr(recovery, name, value)
    recovery.save(update_fields=["state", *changes])
    return recovery


def keep_held(recovery: Recovery, now: datetime) -> Recovery:
    """Ends a walk whose person has just said that it is not them. Before the first gate it is not looked at, so that
    nobody learns from it who exists."""
    person = recovery.person
    if person is None or not recovery.gates_opened or recovery.state not in TIMED or not is_held(person, now):
        return recovery
    with transaction.atomic():
        recovery = locked(recovery)
        if recovery.state not in TIMED:
            return recovery
        audit(recovery, Activity.RECOVERY_REFUSED, Result.REFUSED, now, refusal=HELD)
        return move(recovery, Event.NOT_WRITABLE, refusal=HELD, prepared=None)


def keep_time(recovery: Recovery, now: datetime) -> Recovery:
    """Ends a recovery whose 15 minutes are over. What was submitted before is still waited for."""
    if now < recovery.ends_at or recovery.state not in TIMED:
        return recovery
    with transaction.atomic():
        recovery = locked(recovery)
        if recovery.state not in TIMED:
            return recovery
        audit(recovery, Activity.RECOVERY_ENDED, Result.FAILURE, now, how="time_over")
        return move(recovery, Event.TIME_OVER, prepared=None)
