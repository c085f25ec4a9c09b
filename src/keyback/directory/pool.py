"""Several connections to one server, lent to one thread at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from keyback.directory._link import DirectoryServer
from keyback.directory.connection import Connection, connect
from keyback.directory.errors import Unreachable

__all__ = ["Pool"]

_IDLE_BEFORE_PROBE = 30.0  # seconds; firewalls forget a silent connection after minutes, and tell nobody


class Pool:
    """Up to ``size`` connections to one server, each lent to one thread at a time; more borrowers wait.

    A connection that failed, or died while idle, is replaced. After a failure the idle ones, which most likely died
    with it, must answer a question before they are lent again.
    """

    def __init__(self, server: DirectoryServer, size: int = 4) -> None:
        self.server = server
        self._slots = threading.BoundedSemaphore(size)
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._closed = False
        self._failed_at = 0.0

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Lend a live connection. Raises what `connect` raises."""
        with self._slots:
            connection = self._borrow()
            try:
                yield connection
            except Unreachable:
                connection.broken = True
                raise
            finally:
                self._give_back(connection)

    def close(self) -> None:
        """Hang up all idle connections, and those that are lent when they come back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _borrow(self) -> Connection:
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return connect(self.server)
            if connection.alive(answered_since=max(self._failed_at, time.monotonic() - _IDLE_BEFORE_PROBE)):
                return connection
            connection.close()

    def _give_back(self, connection: Connection) -> None:
        with self._lock:
            if not connection.broken and not self._closed:
                self._idle.append(connection)
                return
            self._failed_at = time.monotonic()
        connection.close()
