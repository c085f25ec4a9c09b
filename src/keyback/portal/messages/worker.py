"""Hands messages over: mail to the mail server, the rest to its gateway. Any number of workers may run, each for one
channel; a row is claimed before it is sent.

A row is erased of text and address in the statement that records its hand-over. A worker that dies between the
server's answer and that statement leaves a row that is sent again after its lease: a person may get a message twice,
never none.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import connection

from keyback.portal import sql, wake
from keyback.portal.config import ServiceConfig
from keyback.portal.connections import after_work, before_work
from keyback.portal.messages.gateway import Gateway
from keyback.portal.messages.models import Channel, Message
from keyback.portal.messages.service import Service
from keyback.portal.messages.smtp import MailServer
from keyback.portal.messages.transport import Outgoing, SendRefused, Transport
from keyback.portal.vault import VaultMismatch, open_value

__all__ = ["purge", "run", "send_due"]

_log = logging.getLogger(__name__)

_BATCH = 20
# Short beside the five minutes of a code: what a killed worker had claimed waits for so long.
_LEASE = timedelta(seconds=30)
_BATCH_SECONDS = 15.0
"""A batch that a slow mail server stretches beyond this is left to the next: no row is sent after its lease."""
_PAUSES = [timedelta(seconds=s) for s in (5, 15, 60, 300, 900, 3600)]
_KEEP = timedelta(days=30)
_WAIT = 2.0

State = Message.State

# One statement, which most looks end with: picked in a WITH of its own, so that no row is picked twice.
_CLAIM = f"""
WITH picked AS (
    SELECT id FROM {Message._meta.db_table}
    WHERE channel = %(channel)s AND state IN ('queued', 'sending') AND next_attempt_at <= %(now)s
    ORDER BY next_attempt_at LIMIT {_BATCH} {{lock}})
UPDATE {Message._meta.db_table} SET state = 'sending', next_attempt_at = %(lease)s
WHERE id IN (SELECT id FROM picked)
RETURNING {sql.columns(Message, Message._meta.db_table)}
"""  # noqa: S608 — a table's name and a number


def run(stop: threading.Event, channel: Channel = Channel.MAIL) -> None:
    """Sends what is due on this channel until ``stop`` is set. Wakes when something is queued, and looks
    every two seconds anyway."""
    try:
        with wake.subscribe(channel.value) as bell:
            while not stop.is_set():
                before_work()
                try:
                    # Less than a batch: nothing else was due, and what came since has rung.
                    while send_due(datetime.now(UTC), channel) == _BATCH and not stop.is_set():
                        pass
                except Exception:
                    _log.exception("sending %s failed; it is tried again", channel.value)
                after_work()
                bell.wait(_WAIT)
    finally:
        connection.close()


def send_due(now: datetime, channel: Channel = Channel.MAIL) -> int:
    """One batch of what is due on this channel at ``now``. How many rows it dealt with."""
    rows = _claim(now, channel)
    began = time.monotonic()
    with _transport(channel) as server:
        for row in rows:
            if row.expires_at <= now:
                _end(row, State.DEAD, now, "not sent in time")
            elif time.monotonic() - began < _BATCH_SECONDS:
                _deliver(row, server, now)
    return len(rows)


def _transport(channel: Channel) -> Transport:
    if channel is Channel.MAIL:
        return MailServer(settings.CONFIG.mail)
    config = settings.CONFIG.sms if channel is Channel.SMS else settings.CONFIG.voice
    return Service(config) if isinstance(config, ServiceConfig) else Gateway(config)


def _claim(now: datetime, channel: Channel) -> list[Message]:
    """A claim is a moved ``next_attempt_at``: whoever dies with it loses it when that time comes."""
    lock = "FOR UPDATE SKIP LOCKED" if connection.features.has_select_for_update_skip_locked else ""
    given = sql.values(channel=channel.value, now=now, lease=now + _LEASE)
    rows = [row for (row,) in sql.instances(_CLAIM.format(lock=lock), given, Message)]
    return sorted(rows, key=lambda row: row.created_at)


def _deliver(row: Message, server: Transport, now: datetime) -> None:
    try:
        outgoing = _opened(row)
        if row.discard:
            server.rehearse(outgoing)
        else:
            server.send(outgoing)
    except SendRefused as refusal:
        _failed(row, refusal, now)
    except VaultMismatch:
        _end(row, State.DEAD, now, "its text could not be opened")
    else:
        _end(row, State.SENT, now, "")


def _opened(row: Message) -> Outgoing:
    content = json.loads(open_value(row.organization_id, row.pk, "message", bytes(row.sealed or b"").decode("ascii")))
    return Outgoing(
        id=row.pk,
        to=content["to"],
        organization=content["organization"],
        subject=content["subject"],
        text=content["text"],
        language=content.get("language", ""),
        tracking_id=row.tracking_id,
    )


def _failed(row: Message, refusal: SendRefused, now: datetime) -> None:
    attempts = row.attempts + 1
    pause = _PAUSES[min(attempts, len(_PAUSES)) - 1]
    if refusal.permanent or now + pause >= row.expires_at:
        _end(row, State.DEAD, now, refusal.problem)
        return
    Message.objects.filter(pk=row.pk, state=State.SENDING).update(
        state=State.QUEUED, attempts=attempts, next_attempt_at=now + pause, problem=refusal.problem
    )


def _end(row: Message, state: Message.State, now: datetime, problem: str) -> None:
    Message.objects.filter(pk=row.pk).update(
        state=state,
        sealed=None,
        sent_at=now if state == State.SENT else None,
        attempts=row.attempts + 1,
        problem=problem[:200],
    )
    if problem:
        extra = {"tracking_id": row.tracking_id}
        _log.warning("%s %s (%s) was not sent: %s", row.channel, row.pk, row.kind, problem, extra=extra)


def purge(now: datetime) -> int:
    """Removes rows that are a month old. How many."""
    old = Message.objects.filter(state__in=[State.SENT, State.DEAD], created_at__lte=now - _KEEP)
    return old.delete()[0]
