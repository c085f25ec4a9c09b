"""Waiting for a fact, with a deadline instead of a guess."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def wait_until(question: Callable[[], Found | None], *, timeout: float = 10, what: str = "the condition") -> Found:
    """Ask `question` until its answer is true and return that; AssertionError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (answer := question()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {timeout:g} s")
        time.sleep(0.02)
    return answer
