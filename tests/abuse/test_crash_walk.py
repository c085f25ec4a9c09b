"""kill -9 at every step of the road, restart, and look: what the person is told and what the directory holds agree, and
nothing was written twice.

The agent's own points are walked with an administrator's resets too (tests/lab/agent/test_crashes.py); here a person
with a browser walks, while each of the parts dies under their feet.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import lab
from lab import api
from lab.people import INITIAL_PASSWORD, Person
from lab.stack import ApartStack, PortalProcess
from tests.support import crashing_agent, crashing_portal
from tests.support.crash import (
    Story,
    assert_agreement,
    doomed_agent,
    held_agent,
    mortal,
    recover_whatever_happens,
)
from tests.support.smtp import Sink
from tests.support.waiting import wait_until
from tests.support.whole import Whole, build, start_agent

# The write was granted, or asked for, and may have been sent: whoever comes later only finds out what became of it.
_GRANTED = {"after_before_journaled", "after_grant", "during_modify"}


@pytest.fixture(scope="module")
def breaking(tmp_path_factory: pytest.TempPathFactory, forest: lab.Forest, mail: Sink) -> Iterator[Whole]:
    """A Keyback of this file's own, since its parts die."""
    built = build(tmp_path_factory.mktemp("breaking"), forest, mail)
    try:
        mortal(built.stack.portal)
        built.stack.portal.stop()
        built.stack.portal.start()
        yield built
    finally:
        built.stack.stop()


@pytest.fixture
def person(breaking: Whole) -> Person:
    return breaking.take()


class Watched:
    """Somebody whose account is compared before and after."""

    def __init__(self, whole: Whole, person: Person) -> None:
        self.whole = whole
        self.person = person
        self._version = api.password_version(whole.forest, person.account)

    def agrees_with(self, story: Story, *, controller_died: bool = False) -> None:
        assert_agreement(self.whole, story, INITIAL_PASSWORD, self._version, controller_died=controller_died)


@pytest.mark.parametrize("point", crashing_portal.POINTS)
def test_the_portal_dies(breaking: Whole, person: Person, point: str) -> None:
    _dies(breaking, person, breaking.stack.portal, point)


def _dies(whole: Whole, person: Person, part: PortalProcess, point: str) -> None:
    """Nothing is lost by it: the person's password is set in the end."""
    watched = Watched(whole, person)
    armed = part.log.with_suffix(".point")
    armed.write_text(point)
    died = False

    def repair() -> None:
        nonlocal died
        if not part.running:
            died = True
            part.start()

    story = recover_whatever_happens(whole, person, repair=repair)
    # The mark is taken away a moment before the process dies, and the person may have been told by then.
    wait_until(lambda: not armed.exists() and (died or not part.running), timeout=10, what=f"the death {point}")
    repair()
    assert died
    watched.agrees_with(story)
    assert story.told == "done"


@pytest.mark.parametrize("point", crashing_agent.POINTS)
def test_the_agent_dies(breaking: Whole, person: Person, point: str) -> None:
    watched = Watched(breaking, person)
    agent = breaking.agent
    agent.kill()
    doomed = doomed_agent(agent, point)
    doomed.start()

    def repair() -> None:
        if not doomed.running and not agent.running:
            agent.start()

    try:
        story = recover_whatever_happens(breaking, person, repair=repair)
        wait_until(lambda: not doomed.running, timeout=10, what=f"the agent's death {point}")
    finally:
        doomed.kill()
        if not agent.running:
            agent.start()
    watched.agrees_with(story)
    assert story.told == "done" or point in _GRANTED


@pytest.mark.parametrize("point", ["after_grant", "during_modify", "after_modify_before_journal"])
def test_agent_and_portal_die_together(breaking: Whole, person: Person, point: str) -> None:
    watched = Watched(breaking, person)
    agent, portal = breaking.agent, breaking.stack.portal
    agent.kill()
    doomed = doomed_agent(agent, point)
    doomed.start()

    def repair() -> None:
        if not doomed.running and not agent.running:
            portal.kill()
            portal.start()
            agent.start()

    try:
        story = recover_whatever_happens(breaking, person, repair=repair)
    finally:
        doomed.kill()
        if not agent.running:
            agent.start()
    watched.agrees_with(story)


# --- the domain controller


@pytest.fixture
def controller(breaking: Whole) -> Iterator[str]:
    """The forest's name; its controller runs again afterwards, and so does the agent."""
    name = breaking.forest.name
    yield name
    lab.thaw(name)
    lab.up(name)
    breaking.restart_agent()


@pytest.mark.parametrize("point", ["before_modify", "after_sending", "before_read_back"])
@pytest.mark.parametrize("frozen_first", [False, True], ids=["at once", "frozen first"])
def test_the_controller_dies(
    breaking: Whole, person: Person, controller: str, tmp_path: Path, point: str, frozen_first: bool
) -> None:
    """Just before the write, while it is on its way, or between its answer and the look that follows."""
    watched = Watched(breaking, person)
    gate = tmp_path / "gate"
    breaking.agent.kill()
    agent = held_agent(breaking.agent, point, gate)
    agent.start()
    broken = False

    def repair() -> None:
        nonlocal broken
        if gate.with_suffix(".reached").exists() and not broken:
            broken = True
            if frozen_first:
                lab.freeze(controller)
                gate.with_suffix(".go").touch()
            lab.kill(controller)
            gate.with_suffix(".go").touch()
            lab.restart(controller)

    try:
        story = recover_whatever_happens(breaking, person, repair=repair)
    finally:
        agent.kill()
    watched.agrees_with(story, controller_died=True)
    if point == "before_read_back":
        assert story.told == "done"


def test_the_controller_wakes_after_the_agent_that_wrote_has_died(
    breaking: Whole, person: Person, controller: str, tmp_path: Path
) -> None:
    """The write waits in the frozen controller's socket, and is carried out when it wakes: found out, not repeated."""
    watched = Watched(breaking, person)
    gate = tmp_path / "gate"
    breaking.agent.kill()
    agent = held_agent(breaking.agent, "before_modify", gate)
    agent.start()
    steps = iter(["freeze", "kill"])

    def repair() -> None:
        if not gate.with_suffix(".reached").exists():
            return
        step = next(steps, None)
        if step == "freeze":
            lab.freeze(controller)
            gate.with_suffix(".go").touch()
        elif step == "kill":
            agent.kill()
            breaking.agent.start()
            lab.thaw(controller)

    try:
        story = recover_whatever_happens(breaking, person, repair=repair)
    finally:
        agent.kill()
    watched.agrees_with(story)


# --- every part in a process of its own


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory, forest: lab.Forest, mail: Sink, postgres: str) -> Iterator[Whole]:
    """People's door, agents' door and worker apart on PostgreSQL; the agents' door has none of the others' keys."""
    stack = ApartStack(
        tmp_path_factory.mktemp("apart"), database=postgres, mail=(mail.host, mail.port), forests=[forest]
    )
    try:
        stack.create()
        _without_the_people_s_keys(stack)
        for part in (stack.portal, stack.door):
            mortal(part)
        stack.start()
        agent = stack.onboard("agent-one")
        whole = Whole(stack, forest, mail, agent)
        whole.sync()
        start_agent(agent, stack)
        yield whole
    finally:
        stack.stop()


def _without_the_people_s_keys(stack: ApartStack) -> None:
    keys = stack.portal_directory / "keys"
    of_the_door = stack.portal_directory / "keys-of-the-door"
    shutil.copytree(keys, of_the_door)
    for name in ("requests.key", "people.key", "audit.key"):
        (of_the_door / name).unlink()
    config = stack.door.config
    config.write_text(config.read_text("utf-8").replace(f'"{keys}"', f'"{of_the_door}"'), "utf-8")


@pytest.mark.parametrize("point", crashing_portal.AGENTS_DOOR)
def test_the_agents_door_dies_apart_from_the_portal(apart: Whole, point: str) -> None:
    assert isinstance(apart.stack, ApartStack)
    _dies(apart, apart.take(), apart.stack.door, point)


@pytest.mark.parametrize("point", ["before_boxes_committed", "after_boxes_taken"])
def test_the_people_s_door_dies_apart_from_the_agents_door(apart: Whole, point: str) -> None:
    _dies(apart, apart.take(), apart.stack.portal, point)
