"""Reading ahead keeps the order, passes on what goes wrong, and ends when nobody listens any more."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from keyback.agent.ahead import ahead


def test_every_item_comes_once_in_order() -> None:
    assert list(ahead(range(100), depth=3)) == list(range(100))
    assert list(ahead([])) == []


def test_what_reading_raises_is_raised_after_what_was_read_before() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise LookupError("the directory")

    found: list[int] = []
    with pytest.raises(LookupError, match="the directory"):
        found.extend(ahead(items()))
    assert found == [1]


def test_it_does_not_read_the_whole_directory_into_memory() -> None:
    read: list[int] = []

    def items() -> Iterator[int]:
        for number in range(1000):
            read.append(number)
            yield number

    iteration = ahead(items(), depth=2)
    assert next(iteration) == 0
    iteration.close()  # type: ignore[attr-defined]  # a generator
    assert len(read) <= 5


def test_whoever_gives_up_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    with pytest.raises(RuntimeError, match="the portal"):
        for number in ahead(range(1000), depth=1):
            if number == 3:
                raise RuntimeError("the portal")
    assert threading.active_count() == before


def test_what_the_reading_waits_for_is_given_up_with_it() -> None:
    answer = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        answer.wait()

    iteration = ahead(items(), give_up=answer.set)
    assert next(iteration) == 1
    iteration.close()  # type: ignore[attr-defined]  # a generator
    assert answer.is_set()
