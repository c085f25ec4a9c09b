"""kill -9 of the agent at every point of a change's road, current and new password in one box: what the person is told
and what the directory holds agree, and nothing was written twice. Resets: tests/abuse/test_crash_walk.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import lab
from lab import api
from lab.people import INITIAL_PASSWORD
from lab.testing import forest
from tests.support import crashing_agent
from tests.support.crash import assert_agreement, change_whatever_happens, doomed_agent
from tests.support.smtp import Sink
from tests.support.waiting import wait_until
from tests.support.whole import Whole, build, mail, start_agent

__all__ = ["forest", "mail"]

pytestmark = pytest.mark.scale

# The write was granted, or asked for, and may have been sent: whoever comes later only finds out what became of it.
_GRANTED = {"after_before_journaled", "after_grant", "during_modify"}


@pytest.fixture(scope="module")
def breaking(tmp_path_factory: pytest.TempPathFactory, forest: lab.Forest, mail: Sink) -> Iterator[Whole]:
    built = build(tmp_path_factory.mktemp("breaking"), forest, mail)
    yield built
    built.stack.stop()


@pytest.mark.parametrize("point", crashing_agent.POINTS)
def test_the_agent_dies_in_a_change(breaking: Whole, point: str) -> None:
    person, agent = breaking.take(), breaking.agent
    version = api.password_version(breaking.forest, person.account)
    doomed = doomed_agent(agent, point)

    def arm() -> None:
        agent.stop()
        doomed.start()

    def repair() -> None:
        if not doomed.running and not agent.running:
            agent.start()

    try:
        story = change_whatever_happens(breaking, person, INITIAL_PASSWORD, arm=arm, repair=repair)
        wait_until(lambda: not doomed.running, timeout=10, what=f"the agent's death {point}")
    finally:
        doomed.kill()
        if not agent.running:
            start_agent(agent, breaking.stack)
    assert_agreement(breaking, story, INITIAL_PASSWORD, version)
    assert story.told == "done" or point in _GRANTED
    writes = [write.action for write in breaking.resets_of(person) if write.by_service and write.succeeded]
    assert writes == ["Change"] * (story.told == "done")
