"""Reading in one thread while another one works on what was read."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, Full, Queue
from typing import TypeVar

__all__ = ["ahead"]

_PATIENCE = 0.5
"""Seconds after which the reading thread looks whether anybody still wants what it reads."""

T = TypeVar("T")
_Item = tuple[T | None, BaseException | None]


def ahead(items: Iterable[T], depth: int = 4, *, give_up: Callable[[], None] = lambda: None) -> Iterator[T]:
    """The same items, read up to ``depth`` ahead in a thread of their own. What reading raises is raised here, in its
    place. The thread has ended when the iteration has; ``give_up`` is called where that is before the end, so that
    what it waits for does not hold it."""
    queue: Queue[_Item[T]] = Queue(depth)
    given_up = threading.Event()

    def put(item: _Item[T]) -> bool:
        while not given_up.is_set():
            try:
                queue.put(item, timeout=_PATIENCE)
            except Full:
                continue
            return True
        return False

    def read() -> None:
        try:
            for item in items:
                if not put((item, None)):
                    return
        except BaseException as error:
            put((None, error))
        else:
            put((None, StopIteration()))

    thread = threading.Thread(target=read, name="read ahead", daemon=True)
    thread.start()
    try:
        while True:
            item, error = queue.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item  # type: ignore[misc]  # with an item there is no error, and the other way round
    except BaseException:
        give_up()
        raise
    finally:
        given_up.set()
        _drain(queue)
        thread.join()


def _drain(queue: Queue[_Item[T]]) -> None:
    """So that a thread that waits for room ends at once."""
    try:
        while True:
            queue.get_nowait()
    except Empty:
        pass
