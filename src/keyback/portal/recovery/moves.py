"""Every change of a recovery's state passes here: the row is locked, and the flow's table has the last word."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import connection, transaction

from keyback.flows import Event, State, advance
from keyback.portal import sql
from keyback.portal.account.hold import HELD
from keyback.portal.account.models import AccountState
from keyback.portal.audit.words import Activity, Result
from keyback.portal.recovery.models import Purpose, Recovery
from keyback.portal.recovery.rows import locked
from keyback.portal.recovery.subjects import audit

__all__ = ["SUPERSEDED", "TIMED", "keep_overtaken", "keep_time", "move", "overtaken"]

SUPERSEDED = "superseded"
"""A refusal of our own, beside the SSPR codes."""

TIMED = (State.PROVE, State.INSPECT, State.CHOOSE)
"""Nothing is submitted yet: these end when their time is over."""


def move(recovery: Recovery, event: Event, **changes: Any) -> Recovery:
    """Advances a locked recovery and stores ``changes`` with it. Raises IllegalMove and stores nothing."""
    recovery.state = advance(State(recovery.state), event)
    for name, value in changes.items():
        setattr(recovery, name, value)
    recovery.save(update_fields=["state", *changes])
    return recovery


_OVERTAKEN = f"""
SELECT EXISTS (SELECT 1 FROM {AccountState._meta.db_table} WHERE person_id = %(person)s AND held_until > %(now)s),
    EXISTS (SELECT 1 FROM {Recovery._meta.db_table} WHERE person_id = %(person)s AND id <> %(id)s
        AND purpose <> '{Purpose.UNLOCK}' AND written_at > %(began)s)
"""  # noqa: S608 — table names


def overtaken(recovery: Recovery, now: datetime) -> str | None:
    """Why a walk past a gate may not go on, else None: its person has just said that it was not them, or has a new
    password since it began. As that ends their sessions it ends every other walk: whoever reads their mail, too, or
    sits where they left a page open, sets no other one after it.

    Looked up when the walk wants to go on, and not written into its row by the one that overtakes it: a row that is
    locked at that moment would have to be waited for, each by the other, or left out.
    """
    given = sql.values(person=recovery.person_id, id=recovery.id, began=recovery.started_at, now=now)
    with connection.cursor() as cursor:
        cursor.execute(_OVERTAKEN, given)
        held, superseded = cursor.fetchone()
    if held:
        return HELD
    return SUPERSEDED if superseded and recovery.purpose != Purpose.VERIFY else None


def keep_overtaken(recovery: Recovery, now: datetime) -> Recovery:
    """Ends a walk that was :func:`overtaken`. Before the first gate it is not looked at, so that nobody learns from it
    who exists."""
    if not recovery.gates_opened or recovery.state not in TIMED:
        return recovery
    refusal = overtaken(recovery, now)
    if refusal is None:
        return recovery
    with transaction.atomic():
        recovery = locked(recovery)
        if recovery.state not in TIMED:
            return recovery
        audit(recovery, Activity.RECOVERY_REFUSED, Result.REFUSED, now, refusal=refusal)
        return move(recovery, Event.NOT_WRITABLE, refusal=refusal, prepared=None)


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
