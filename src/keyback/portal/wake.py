"""Wake-ups between threads and processes: something was queued, look now.

A wake-up is only ever a hint. The row is the truth, and whoever waits also looks every two seconds, so a lost wake-up
costs time and nothing else. On SQLite all doors share one process and wake-ups stay in memory; on PostgreSQL they
travel by LISTEN/NOTIFY, through one connection of its own for each process that waits.
"""

from __future__ import annotations

import logging
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Protocol
from uuid import UUID

from django.db import connection, transaction

__all__ = ["MAIL", "Bell", "notify", "subscribe", "watch", "work_of"]

MAIL = "mail"
"""A mail was queued. The other channels of messages have topics named like them."""

_CHANNEL = "keyback_wake"
_RECONNECT_AFTER = 1.0
_log = logging.getLogger(__name__)

Ring = Callable[[], None]
Stop = Callable[[], None]


def work_of(organization_id: UUID) -> str:
    """A writeback request of this organization was queued, given back or became unresolved."""
    return f"work:{organization_id}"


class Bus(Protocol):
    """``send`` runs outside any transaction. ``watch`` returns what ends it; ``ring`` runs in any thread."""

    def send(self, topic: str) -> None: ...

    def watch(self, topic: str, ring: Ring) -> Stop: ...


class MemoryBus:
    """For one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rings: dict[str, dict[object, Ring]] = {}

    def send(self, topic: str) -> None:
        with self._lock:
            rings = list(self._rings.get(topic, {}).values())
        for ring in rings:
            ring()

    def send_to_all(self) -> None:
        for topic in list(self._rings):
            self.send(topic)

    def watch(self, topic: str, ring: Ring) -> Stop:
        key = object()
        with self._lock:
            self._rings.setdefault(topic, {})[key] = ring

        def stop() -> None:
            with self._lock:
                rings = self._rings.get(topic, {})
                rings.pop(key, None)
                if not rings:
                    self._rings.pop(topic, None)

        return stop

    def is_watched(self) -> bool:
        return bool(self._rings)


class PostgresBus:
    """For many processes. One thread listens for as long as anybody in this process watches."""

    def __init__(self) -> None:
        self._local = MemoryBus()
        self._lock = threading.Lock()
        self._listener: _Listener | None = None

    def send(self, topic: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [_CHANNEL, topic])

    def watch(self, topic: str, ring: Ring) -> Stop:
        with self._lock:
            end = self._local.watch(topic, ring)
            if self._listener is None:
                self._listener = _Listener(self._local, connection.get_connection_params())
                self._listener.start()

        def stop() -> None:
            with self._lock:
                end()
                if self._listener is not None and not self._local.is_watched():
                    self._listener.stop()
                    self._listener = None

        return stop


class _Listener(threading.Thread):
    def __init__(self, local: MemoryBus, parameters: dict[str, Any]) -> None:
        super().__init__(name="wake", daemon=True)
        self._local = local
        self._parameters = parameters
        self._stopping = threading.Event()
        # Written to once, so that the listener wakes from its wait for the database and ends at once.
        self._stop_reader, self._stop_writer = socket.socketpair()

    def stop(self) -> None:
        self._stopping.set()
        self._stop_writer.send(b"x")
        self.join()

    def run(self) -> None:
        from psycopg import OperationalError

        with self._stop_reader, self._stop_writer:
            while not self._stopping.is_set():
                try:
                    self._listen()
                except (OperationalError, OSError):
                    _log.warning("the wake-up connection to the database was lost; polling goes on meanwhile")
                    self._stopping.wait(_RECONNECT_AFTER)

    def _listen(self) -> None:
        raw = connection.get_new_connection(self._parameters)
        with raw:
            raw.autocommit = True
            raw.execute(f"LISTEN {_CHANNEL}")
            # Whatever was sent while nobody listened is unknown, so everybody looks once.
            self._local.send_to_all()
            while not self._stopping.is_set():
                select.select([raw.fileno(), self._stop_reader], [], [])
                for notice in raw.notifies(timeout=0):
                    self._local.send(notice.payload)


@cache
def _bus() -> Bus:
    return PostgresBus() if connection.vendor == "postgresql" else MemoryBus()


def notify(topic: str) -> None:
    """Wake whoever waits for ``topic``, once the current transaction has committed (at once where there is none).

    A failure to wake is logged and never fails what was committed.
    """
    transaction.on_commit(lambda: _bus().send(topic), robust=True)


def watch(topic: str, ring: Ring) -> Stop:
    """Have ``ring`` called for every wake-up from now on; call what is returned to end that. For event loops."""
    return _bus().watch(topic, ring)


class Bell:
    """What a thread waits on. A ring between two waits is not lost."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.ring = self._event.set

    def wait(self, timeout: float) -> bool:
        """Wait up to ``timeout`` seconds. True when it was rung since the last wait."""
        rung = self._event.wait(timeout)
        self._event.clear()
        return rung


@contextmanager
def subscribe(topic: str) -> Iterator[Bell]:
    """A bell that rings for every wake-up of ``topic`` within the block."""
    bell = Bell()
    stop = watch(topic, bell.ring)
    try:
        yield bell
    finally:
        stop()
