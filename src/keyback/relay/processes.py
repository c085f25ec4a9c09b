"""One door in several processes: they share its socket, so that the system gives each new connection to one that is
free."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess

__all__ = ["keep_running"]

PAUSE_SECONDS = 1
"""Before another takes the place of one that died: what dies at once would otherwise be started without end."""

_log = logging.getLogger("keyback.serve")


def keep_running(count: int, serve: Callable[[], None]) -> None:
    """Runs ``serve`` in ``count`` processes and replaces those that die, until a signal raises SystemExit here; then
    all are told to stop, and waited for.

    They are forked, which is safe while there are no threads yet, and shares the memory of all that is loaded.
    """
    forked = multiprocessing.get_context("fork")
    running: list[ForkProcess] = []
    try:
        while True:
            while len(running) < count:
                process = forked.Process(target=_with_parent, args=(serve,))
                running.append(process)
                process.start()
            wait([process.sentinel for process in running])
            for process in [process for process in running if not process.is_alive()]:
                running.remove(process)
                _log.error("process %d ended with %s; another takes its place", process.pid, process.exitcode)
            time.sleep(PAUSE_SECONDS)
    finally:
        alive = [process for process in running if process.is_alive()]
        for process in alive:
            process.terminate()
        for process in alive:
            process.join()


def _with_parent(serve: Callable[[], None]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    serve()


def _end_with_parent() -> None:
    """Nobody would end a process whose parent was killed, and it would keep the port."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
