"""Writeback off and on, forests that come later, keys that cannot be used, leaving: a real portal, a real forest."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.lab.agent.service import numbers, run, running, state, wait_for
from tests.support import portals
from tests.support.waiting import wait_until

from keyback.agent.events import read_events
from keyback.agent.keys import KeyStore
from lab import Forest
from lab.people import Person
from lab.stack import AgentProcess, Stack, agent_toml

pytestmark = pytest.mark.lab

NewPerson = Callable[..., Person]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, forest: Forest) -> Iterator[Stack]:
    with portals.running(tmp_path_factory.mktemp("switch"), forest) as stack:
        yield stack


@pytest.fixture(scope="module")
def agent(stack: Stack) -> AgentProcess:
    """Nobody else serves the forest. Each test leaves it in order."""
    return stack.onboard("agent-one")


def reset(stack: Stack, forest: Forest, account: str) -> str:
    """What the operator is told."""
    user = f"{account}@{forest.dns_domain}"
    try:
        return stack.keyback("admin", "reset", user, "--generate", "--keep")
    except RuntimeError as error:
        return str(error)


def since(agent: AgentProcess, began: datetime) -> list[str]:
    return [event.id for event in read_events(state(agent)) if event.time >= began]


def test_off_and_on_while_the_agent_runs(
    stack: Stack, forest: Forest, agent: AgentProcess, new_person: NewPerson
) -> None:
    person = new_person()
    with running(agent) as started:
        wait_for(agent, "657", started)
        assert "was reset" in reset(stack, forest, person.account)

        began = datetime.now(UTC)
        assert run(agent, "writeback", "off").stdout == f"{forest.dns_domain}: writeback is off.\n"
        assert [one for one in since(agent, began) if one.startswith("310")] == ["31012", "31017", "31013"]
        assert run(agent, "writeback", "status").stdout == f"{forest.dns_domain}: off\n"
        assert "SSPR_0010" in reset(stack, forest, person.account)
        assert "off" in stack.keyback("writeback", "status", stack.slug)
        assert not re.search("PRIVATE", (state(agent) / "keys/unseal.json").read_text())
        late = new_person()
        wait_until(
            lambda: "SSPR_0010" in reset(stack, forest, late.account), timeout=60, what="synchronisation goes on"
        )

        began = datetime.now(UTC)
        assert run(agent, "writeback", "on").stdout == f"{forest.dns_domain}: writeback is on.\n"
        assert since(agent, began)[:4] == ["31004", "31018", "31017", "31005"]
        assert "was reset" in reset(stack, forest, late.account), "without a restart"


def test_swapped_keys_answer_32004_and_off_and_on_mends(
    stack: Stack, forest: Forest, agent: AgentProcess, new_person: NewPerson, tmp_path: Path
) -> None:
    person = new_person()
    KeyStore.create(tmp_path, timedelta(days=1), datetime.now(UTC))
    with running(agent) as began:
        wait_for(agent, "657", began)
        (state(agent) / "keys/unseal.json").write_bytes((tmp_path / "unseal.json").read_bytes())
        assert "unopenable" in reset(stack, forest, person.account)
        assert wait_for(agent, "32004", began)
        run(agent, "writeback", "off")
        run(agent, "writeback", "on")
        assert "was reset" in reset(stack, forest, person.account)


def test_keys_that_cannot_be_read_answer_6800_and_synchronisation_goes_on(
    stack: Stack, forest: Forest, agent: AgentProcess, new_person: NewPerson
) -> None:
    keys = state(agent) / "keys/unseal.json"
    keys.write_bytes(b"truncated")
    person = new_person()
    with running(agent) as began:
        for number in ("32010", "6800", "656", "657"):
            wait_for(agent, number, began)
        assert run(agent, "writeback", "on").returncode == 0
        assert "was reset" in reset(stack, forest, person.account)


def test_a_forest_added_later_answers_6329_until_writeback_was_off_and_on(
    stack: Stack, forest: Forest, other_forest: Forest, agent: AgentProcess
) -> None:
    stack.add_domain(other_forest.dns_domain)
    agent.config.write_text(agent_toml(stack.url, state(agent), [forest, other_forest]))
    with running(agent) as began:
        wait_until(lambda: since(agent, began).count("657") == 2, timeout=30, what="both forests' people")
        assert "SSPR_0029" in reset(stack, other_forest, "grace")
        refused = wait_for(agent, "6329", began)
        assert refused.fields["hr"] == "0x8023061f"
        assert "6329" in numbers(agent, source="ADSync")
        run(agent, "writeback", "off")
        assert run(agent, "writeback", "on").returncode == 0
        assert "was reset" in reset(stack, other_forest, "grace")


def test_leaving_without_a_portal_destroys_nothing_and_an_agent_that_left_holds_no_key(
    stack: Stack, agent: AgentProcess
) -> None:
    text = agent.config.read_text()
    agent.config.write_text(text.replace(stack.url, "http://127.0.0.1:9"))
    began = datetime.now(UTC)
    assert "31014 OffboardingEventFail" in run(agent, "offboard", "--yes").stderr
    assert since(agent, began) == ["31012", "32013", "31014"]
    agent.config.write_text(text)
    began = datetime.now(UTC)
    assert run(agent, "offboard", "--yes").returncode == 0
    assert since(agent, began) == ["31012", "31017", "31013"]
    assert "revoked" in stack.keyback("agents", "list", stack.slug)
    assert "PRIVATE" not in "".join(file.read_text() for file in (state(agent) / "keys").iterdir())
    assert "not onboarded yet" in run(agent, "run").stderr
