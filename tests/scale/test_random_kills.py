"""Two hundred kills at random, with three agents at work: what is told and what the directory holds agree, every time,
and nothing is written twice.

    KEYBACK_KILLS=200        how many
    KEYBACK_KILLS_FROM=0     the round to go on with after one that failed; rounds do not depend on each other
    KEYBACK_KILLS_SEED=…     what decides who dies when; printed
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

import lab
from lab import api
from lab.people import INITIAL_PASSWORD, Person
from lab.testing import forest
from tests.support.crash import assert_agreement, recover_whatever_happens
from tests.support.smtp import Sink
from tests.support.whole import Whole, build, mail, start_agent

__all__ = ["forest", "mail"]

pytestmark = pytest.mark.scale

ROUNDS = int(os.environ.get("KEYBACK_KILLS", "200"))
FIRST = int(os.environ.get("KEYBACK_KILLS_FROM", "0"))
SEED = os.environ.get("KEYBACK_KILLS_SEED", "keyback")
VICTIMS = ("portal", "agent-one", "agent-two", "agent-three", "all agents", "portal and agents", "controller", "frozen")


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory, forest: lab.Forest, mail: Sink) -> Iterator[Whole]:
    built = build(tmp_path_factory.mktemp("three"), forest, mail)
    for name in ("agent-two", "agent-three"):
        start_agent(built.stack.onboard(name), built.stack)
    yield built
    built.stack.stop()


class Killer(threading.Thread):
    """Kills at a random moment and starts again after a random pause: half of the time anywhere on the road, half of
    the time while the password is being written."""

    def __init__(self, whole: Whole, person: Person, dice: random.Random) -> None:
        super().__init__(name="killer", daemon=True)
        self._whole = whole
        self._person = person
        self.victim = dice.choice(VICTIMS)
        self._while_writing = dice.random() < 0.5
        self._delay = dice.uniform(0, 0.3 if self._while_writing else 2.0)
        self._pause = dice.uniform(0, 1.0)
        self.problem: BaseException | None = None

    @property
    def plan(self) -> str:
        when = "after the boxes were taken" if self._while_writing else "after the first page"
        return f"{self.victim}, {self._delay:.2f} s {when}"

    def run(self) -> None:
        try:
            if self._while_writing:
                self._wait_for_boxes()
            time.sleep(self._delay)
            again = self._kill()
            time.sleep(self._pause)
            again()
        except BaseException as error:  # a thread has nobody else to tell
            self.problem = error

    def _wait_for_boxes(self) -> None:
        asked = "SELECT 1 FROM writeback_writebackrequest r JOIN people_person p ON p.id = r.person_id "
        end = time.monotonic() + 60
        while not self._whole.sql(
            asked + "WHERE r.operation = 'reset' AND p.user_id = ?", self._whole.user_id(self._person)
        ):
            if time.monotonic() > end:
                raise TimeoutError("no boxes were taken")
            time.sleep(0.005)

    def _kill(self) -> Callable[[], object]:
        stack, name = self._whole.stack, self._whole.forest.name
        if self.victim == "controller":
            lab.kill(name)
            return lambda: lab.restart(name)
        if self.victim == "frozen":
            lab.freeze(name)
            return lambda: lab.thaw(name)
        agents = [agent for agent in stack.agents.values() if "agents" in self.victim or agent.name == self.victim]
        parts = [*agents, *([stack.portal] if "portal" in self.victim else [])]
        for part in parts:
            part.kill()
        return lambda: [part.start() for part in reversed(parts)]


def test_whoever_dies_whenever_what_is_told_is_true(three: Whole, capsys: pytest.CaptureFixture[str]) -> None:
    def say(text: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()

    told: Counter[str] = Counter()
    for number in range(FIRST, ROUNDS):
        person = three.take()
        version = api.password_version(three.forest, person.account)
        killer = Killer(three, person, random.Random(f"{SEED}:{number}"))
        say(f"{number} of {ROUNDS} (seed {SEED}): {killer.plan}")
        began = time.monotonic()
        killer.start()
        story = recover_whatever_happens(three, person, timeout=120)
        killer.join(120)
        assert killer.problem is None, f"round {number}: {killer.problem!r}"
        say(f"    {story.told} after {time.monotonic() - began:.1f} s")
        died = killer.victim in ("controller", "frozen")
        assert_agreement(three, story, INITIAL_PASSWORD, version, controller_died=died)
        told[f"{killer.victim}: {story.told}"] += 1
    say("\n".join(f"{count:4} {what}" for what, count in sorted(told.items())))
