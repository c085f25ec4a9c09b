"""kill -9 of the agent at every point of a reset's road: what is told and what the directory holds agree."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import smtp as smtp_support
from tests.support.crashing_agent import POINTS
from tests.support.waiting import wait_until
from tests.support.whole import Whole, build

import lab
from lab import api
from lab.api import SignIn
from lab.people import INITIAL_PASSWORD
from lab.stack import KEYBACK, AgentProcess

pytestmark = [pytest.mark.lab, pytest.mark.abuse]

WRAPPER = Path(__file__).parents[2] / "support/crashing_agent.py"

NOTHING_ASKED = ["before_claim_processing", "after_inspect", "after_box_opened"]
SENT_FOR_SURE = ["after_modify_before_journal", "after_journal_before_report", "after_report"]


@pytest.fixture(scope="module")
def crashing(tmp_path_factory: pytest.TempPathFactory, forest: lab.Forest) -> Iterator[Whole]:
    with smtp_support.sink() as mail:
        whole = build(tmp_path_factory.mktemp("crashes"), forest, mail)
        try:
            yield whole
        finally:
            whole.stack.stop()


@pytest.mark.parametrize("point", POINTS)
def test_what_is_told_and_what_the_directory_holds_agree(crashing: Whole, point: str) -> None:
    person = crashing.take()
    version = api.password_version(crashing.forest, person.account)
    agent = crashing.agent
    agent.stop()
    doomed = AgentProcess(agent.name, agent.config, crashing.stack.logs, wrapper=[sys.executable, WRAPPER, point])
    doomed.start()

    reset = _administrator_resets(crashing, crashing.user_id(person))
    wait_until(lambda: not doomed.running or reset.poll(), timeout=30, what=f"the agent's death {point}")
    assert not doomed.running, reset.communicate()
    agent.start()
    said, complained = reset.communicate(timeout=90)

    written = api.password_version(crashing.forest, person.account) - version
    resets = [event for event in crashing.resets_of(person) if event.by_service and event.succeeded]
    assert written == len(resets) <= 1
    if reset.returncode == 0:
        new = re.search(r"The new password is: (\S+)", said)
        assert new is not None, said
        assert written == 1
        assert api.kinit(crashing.forest, person.account, new[1]) is SignIn.OK
    else:
        assert "not_written" in complained, complained
        assert written == 0
        assert api.kinit(crashing.forest, person.account, INITIAL_PASSWORD) is SignIn.OK
    if point in NOTHING_ASKED or point in SENT_FOR_SURE:
        assert reset.returncode == 0, complained
    if point == "after_grant":
        assert reset.returncode == 1  # granted once is granted for good: it is not sent by anybody else


def _administrator_resets(whole: Whole, user_id: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    return subprocess.Popen(
        [KEYBACK, "admin", "reset", user_id, "--generate", "--keep"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment, "KEYBACK_CONFIG": str(whole.stack.config)},
    )
