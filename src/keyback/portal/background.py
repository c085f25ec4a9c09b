"""What the portal does unasked: send messages, move what time has moved, seal the audit, forget what is over.

Each duty has a thread. All of them may run in any number of processes at once: what they do is claimed in the database.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.sessions.models import Session
from django.db import OperationalError, close_old_connections, connections
from django.db.models import QuerySet

from keyback.portal.agents import tokens
from keyback.portal.audit import sealer
from keyback.portal.limits import budgets
from keyback.portal.messages import worker
from keyback.portal.messages.models import Channel
from keyback.portal.methods.access_pass import passes
from keyback.portal.people import sync
from keyback.portal.recovery.models import Recovery
from keyback.portal.writeback import requests
from keyback.portal.writeback.models import UNFINISHED, WritebackRequest

__all__ = ["forget", "running"]

STOP_SECONDS = 15.0
"""How long a stop waits for a mail that is being handed over. A mail that is cut off is sent again later."""

_log = logging.getLogger(__name__)


_KEEP = timedelta(days=30)
"""As long a late outcome may correct a walk and its request. What happened stays in the audit; these rows hold who it
was and from which address, and strangers make as many of them as they like."""
_AT_ONCE = 1_000


def forget(now: datetime) -> None:
    """Removes what is over."""
    for purge in (budgets.purge, tokens.purge, worker.purge, sync.purge, passes.purge):
        purge(now)
    Session.objects.filter(expire_date__lte=now).delete()
    _delete(Recovery.objects.filter(started_at__lte=now - _KEEP))
    _delete(WritebackRequest.objects.filter(created_at__lte=now - _KEEP).exclude(state__in=UNFINISHED))


def _delete(rows: QuerySet[Any]) -> None:
    """Bit by bit, so that nobody waits long for a lock."""
    while ids := list(rows.values_list("pk", flat=True)[:_AT_ONCE]):
        rows.model._default_manager.filter(pk__in=ids).delete()


_EVERY: dict[str, tuple[float, Callable[[datetime], object]]] = {
    "sweep": (1.0, requests.sweep),
    "seal": (30.0, sealer.seal_batch),
    "forget": (3600.0, forget),
}
"""Seconds from the end of one run to the beginning of the next; the first runs at the start."""


@contextmanager
def running() -> Iterator[None]:
    """Every duty, until the block ends; then whatever is under way is finished."""
    stop = threading.Event()
    threads = [
        _thread(channel.value, lambda channel=channel: worker.run(stop, channel))  # type: ignore[misc]
        for channel in Channel
    ]
    threads += [
        _thread(name, lambda name=name, pause=pause, job=job: _repeat(name, pause, job, stop))  # type: ignore[misc]
        for name, (pause, job) in _EVERY.items()
    ]
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(STOP_SECONDS)


def _thread(name: str, work: Callable[[], None]) -> threading.Thread:
    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    # A daemon, so that a mail server that does not answer cannot keep the process from ending.
    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread


def _repeat(name: str, pause: float, job: Callable[[datetime], object], stop: threading.Event) -> None:
    # At once too: a process that never lives for an hour must forget as well.
    while not stop.is_set():
        close_old_connections()
        try:
            job(datetime.now(UTC))
        except OperationalError:
            _log.warning("%s: the database cannot be had; it is tried again", name)
        except Exception:
            _log.exception("%s failed; it is tried again", name)
        stop.wait(pause)
