"""pytest fixtures: a forest for this test process, and what a test bends in it, bent back afterwards.

A ``conftest.py`` takes the ones it wants: ``from lab.testing import forest, new_person``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial

import pytest

import lab
from lab import api
from lab._settings import Flavour, lock
from lab.forest import Forest
from lab.people import Person

__all__ = [
    "forest",
    "forest_to_break",
    "new_person",
    "older_forest",
    "other_forest",
    "password_filter",
    "policy",
    "rights",
    "two_controllers",
]


@contextmanager
def fresh_forest(stem: str, *, flavour: Flavour = "trixie", domain: str = "test") -> Iterator[Forest]:
    """A forest as the table describes it, for one process: ``stem``, or ``stem2`` … where another process has that.

    What an earlier run left under the name is thrown away.
    """
    for number in range(1, 9):
        name = stem if number == 1 else f"{stem}{number}"
        with ExitStack() as session:
            try:
                session.enter_context(lock(f"session-{name}", wait=False))
            except BlockingIOError:
                continue
            lab.down(name)
            try:
                yield lab.up(name, flavour=flavour, domain=domain)
            finally:
                lab.down(name)
            return
    raise lab.LabError(f"eight test runs have a forest {stem} already")


@pytest.fixture(scope="session")
def forest() -> Iterator[Forest]:
    """The forest of this test process."""
    with fresh_forest("test") as fresh:
        yield fresh


@pytest.fixture
def forest_to_break(forest: Forest) -> Iterator[Forest]:
    """``forest``, whose controller the test may kill or freeze; it runs again afterwards."""
    yield forest
    lab.thaw(forest.name)
    lab.up(forest.name)


@pytest.fixture(scope="session")
def other_forest() -> Iterator[Forest]:
    """Another forest, with another authority, other domain and the same people."""
    with fresh_forest("elsewhere", domain="elsewhere") as fresh:
        yield fresh


@pytest.fixture(scope="session")
def older_forest() -> Iterator[Forest]:
    """A forest of Debian 12's Samba, which lacks the policy hints control."""
    with fresh_forest("older", flavour="bookworm") as fresh:
        yield fresh


@pytest.fixture(scope="session")
def two_controllers() -> Iterator[Forest]:
    """A forest of dc1 and dc2."""
    with fresh_forest("pair") as fresh:
        yield lab.replica(fresh.name)


@pytest.fixture
def new_person(forest: Forest) -> Iterator[Callable[..., Person]]:
    """``new_person(Kind.LOCKED, mail=…)``: :func:`lab.api.new_person` on ``forest``; deleted after the test."""
    made: list[Person] = []

    def make(*arguments: object, **options: object) -> Person:
        made.append(api.new_person(forest, *arguments, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for person in made:
        with suppress(lab.LabError):  # the test may have deleted the person itself
            api.delete_person(forest, person.account)


@pytest.fixture
def policy(forest: Forest) -> Iterator[Callable[..., None]]:
    """``policy(min_age=60)``: :func:`lab.api.set_policy` on ``forest``; all policies are reset after the test."""
    yield partial(api.set_policy, forest)
    api.reset_policies(forest)


@pytest.fixture
def password_filter(forest: Forest) -> Iterator[Callable[..., None]]:
    """``password_filter("forbiddenword")``: :func:`lab.api.set_filter` on ``forest``; off after the test."""
    yield partial(api.set_filter, forest)
    api.set_filter(forest)


@pytest.fixture
def rights(forest: Forest) -> Iterator[Callable[[api.Right], None]]:
    """``rights("reset-password")`` takes that right from the service account until the test ends."""
    yield partial(api.remove_right, forest)
    api.restore_rights(forest)
