"""Whether a thread's database connection can still be used, asked as rarely as is safe.

Django tries every connection at the beginning of every request (``SELECT 1``); that is a tenth of what a short call to
the agents' door costs. A connection that worked a moment ago is believed here. Should it be broken all the same, that
one call fails, as it would when the database goes away in its middle, and the next one gets a new connection.
"""

from __future__ import annotations

import threading
import time

from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connections

__all__ = ["after_work", "before_work", "instead_of_djangos"]

BELIEVED = 5.0
"""Seconds after its last use."""

_last = threading.local()


def before_work() -> None:
    """Drops what is too old or broken; what was idle is tried before its first use."""
    if time.monotonic() - getattr(_last, "used", 0.0) > BELIEVED:
        close_old_connections()


def after_work() -> None:
    """Notes that this thread's connections were in use until now, and drops those in which something went wrong."""
    _last.used = time.monotonic()
    if any(connection.errors_occurred for connection in connections.all(initialized_only=True)):
        close_old_connections()


def instead_of_djangos() -> None:
    """Both for every request, in place of what Django does itself."""
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    request_started.connect(_started, dispatch_uid="keyback.connections")
    request_finished.connect(_finished, dispatch_uid="keyback.connections")


def _started(**_: object) -> None:
    before_work()


def _finished(**_: object) -> None:
    after_work()
