"""Database work off the event loop: a few threads, each with one connection, and a bounded queue before them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import InterfaceError, OperationalError, connections

from keyback.portal.connections import after_work, before_work
from keyback.relay.problems import BUSY, Refusal

__all__ = ["Database"]

P = ParamSpec("P")
T = TypeVar("T")


class Database:
    """``threads``: how many jobs run at once. ``queue``: how many more may wait before callers are told 503."""

    def __init__(self, threads: int = 4, queue: int = 1500) -> None:
        self._threads = threads
        self._limit = threads + queue
        self._jobs = 0
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="relay-db")

    async def run(self, job: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The job's result. Raises Refusal (503) when too much waits already, or the database cannot be had."""
        if self._jobs >= self._limit:
            raise Refusal(BUSY)
        self._jobs += 1
        try:
            loop = asyncio.get_running_loop()
            # Shielded by nature: a caller that goes away does not stop a job half-way.
            return await loop.run_in_executor(self._executor, lambda: _with_connection(job, *args, **kwargs))
        except (OperationalError, InterfaceError) as error:
            raise Refusal(BUSY) from error
        finally:
            self._jobs -= 1

    def close(self) -> None:
        """Waits for running jobs and closes every thread's connection."""
        everybody = threading.Barrier(self._threads)

        def leave() -> None:
            everybody.wait()
            connections.close_all()

        for _ in range(self._threads):
            self._executor.submit(leave)
        self._executor.shutdown()


def _with_connection(job: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    before_work()
    try:
        return job(*args, **kwargs)
    finally:
        after_work()
