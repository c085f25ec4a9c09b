"""Ending a long-running command in order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["stopping"]

_NUMBERS = frozenset({signal.SIGTERM, signal.SIGINT})


@contextmanager
def stopping(stop: Callable[[], None]) -> Iterator[None]:
    """SIGTERM and Ctrl-C call ``stop``, in a thread of its own. A handler would run in the midst of whatever the main
    thread does, and hang for good where that holds, for a moment, the lock of the very event that ``stop`` sets.

    To be entered before other threads are started: they inherit that these signals are held back.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _NUMBERS)

    def listen() -> None:
        signal.sigwait(_NUMBERS)
        stop()

    threading.Thread(target=listen, name="signals", daemon=True).start()
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
