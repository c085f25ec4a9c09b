"""Several connections to one server, lent to one thread at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from keyback.directory._link import DirectoryServer
from keyback.directory.connection import Connection, connect
from keyback.directory.errors import Unreachable

__all__ = ["Pool"]


class Pool:
    """Up to ``size`` connections to one server, each lent to one thread at a time; more borrowers wait.

    A connection that failed, or died while idle, is replaced. An idle one has to answer a question before it is lent: a
    controller that froze, or a firewall that forgot a silent connection, tells nobody, and it shows so in the short
    time limit of reaching a server and not in that of an operation. The question costs a hundredth of a reset.
    """

    def __init__(self, server: DirectoryServer, size: int = 4) -> None:
        self.server = server
        self._slots = threading.BoundedSemaphore(size)
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._closed = False

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
        self._drop_idle()

    def _borrow(self) -> Connection:
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return connect(self.server)
            if connection.alive():
                return connection
            connection.close()
            self._drop_idle()  # one time limit is enough to know

    def _drop_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _give_back(self, connection: Connection) -> None:
        with self._lock:
            # An iteration that somebody has forgotten, and Python not yet, would break it under the next one's hands.
            if not (connection.broken or connection.asked or self._closed):
                self._idle.append(connection)
                return
        connection.close()
