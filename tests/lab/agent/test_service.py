"""The running agent and its commands, against a real portal and a real forest."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.lab.agent.service import numbers, run, running, state, wait_for
from tests.support import smtp as smtp_support
from tests.support.waiting import wait_until

import lab
from keyback.agent.identity import load_identity
from lab import api
from lab.stack import KEYBACK, AgentProcess, Stack, agent_toml

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, forest: lab.Forest) -> Iterator[Stack]:
    """A portal that runs."""
    with smtp_support.sink() as mail:
        stack = Stack(tmp_path_factory.mktemp("service"), mail=(mail.host, mail.port), forests=[forest])
        stack.create()
        stack.portal.start()
        yield stack
        stack.stop()


@pytest.fixture(scope="module")
def agent(stack: Stack) -> AgentProcess:
    """Onboarded, confirmed, its people pushed; not running."""
    agent = stack.onboard("agent-one")
    assert run(agent, "sync", "run").returncode == 0
    return agent


def stranger(stack: Stack, folder: Path, portal: str | None = None) -> AgentProcess:
    """An agent that has a file and nothing else."""
    config = folder / "agent.toml"
    config.write_text(agent_toml(portal or stack.url, folder / "state", stack.forests))
    return AgentProcess("stranger", config, folder)


# --- onboarding


def test_onboarding_tells_its_events_in_order(agent: AgentProcess) -> None:
    assert numbers(agent)[:4] == ["31004", "31018", "31017", "31005"]


@pytest.mark.parametrize("code", ["never-made-code", "\N{SNOWMAN}" * 20])
def test_a_wrong_code_is_refused_in_one_line(stack: Stack, tmp_path: Path, code: str) -> None:
    agent = stranger(stack, tmp_path)
    said = run(agent, "onboard", "--code", code)
    assert said.returncode != 0
    assert said.stderr.startswith("keyback: 32009 AuthTokenError: code_refused")
    assert said.stderr.count("\n") == 1
    assert numbers(agent) == ["31004", "31018", "32009"]


def test_a_refused_code_leaves_an_agent_that_works_as_it_was(agent: AgentProcess) -> None:
    before = {path: path.read_bytes() for path in (state(agent) / "keys").iterdir()}
    assert run(agent, "onboard", "--code", "never-made-code").returncode != 0
    assert {path: path.read_bytes() for path in (state(agent) / "keys").iterdir()} == before
    assert run(agent, "sync", "run").returncode == 0


def test_without_a_portal_onboarding_says_so(stack: Stack, tmp_path: Path) -> None:
    agent = stranger(stack, tmp_path, "http://127.0.0.1:9")
    assert "32011 OnBoardingServiceError" in run(agent, "onboard", "--code", "any-code-at-all").stderr
    assert numbers(agent)[-1] == "32011"


def test_an_agent_that_is_not_onboarded_does_not_start(stack: Stack, tmp_path: Path) -> None:
    said = run(stranger(stack, tmp_path), "run")
    assert "not onboarded yet; run 'keyback agent onboard'" in said.stderr


def test_it_waits_for_its_confirmation_goes_on_by_itself_and_ends_with_its_revocation(
    stack: Stack, agent: AgentProcess
) -> None:
    patient = stack.onboard("patient", confirm=False)
    with running(patient) as began:
        wait_for(patient, "42017", began)
        fingerprint = load_identity(state(patient)).fingerprint
        stack.keyback("agents", "confirm", stack.slug, "patient", "--fingerprint", fingerprint)
        said = stack.keyback("admin", "show", f"grace@{stack.forests[0].dns_domain}")  # only this agent runs
        assert "min length" in said

        revoked = datetime.now(UTC)
        stack.keyback("agents", "revoke", stack.slug, "patient")
        told = wait_for(patient, "42018", revoked)
        assert (told.time - revoked).total_seconds() < 15
        assert patient.running


# --- synchronisation


def test_a_run_brings_a_new_person_and_takes_a_deleted_one_away(forest: lab.Forest, agent: AgentProcess) -> None:
    person = api.new_person(forest)
    assert "1 added, 0 changed, 0 removed" in run(agent, "sync", "run").stdout
    api.delete_person(forest, person.account)
    assert "0 added, 0 changed, 1 removed" in run(agent, "sync", "run").stdout
    assert numbers(agent, source="ADSync")[-2:] == ["656", "657"]


def test_a_person_whose_domain_is_not_verified_is_told(forest: lab.Forest, agent: AgentProcess) -> None:
    person = api.new_person(forest)
    api.set_attributes(forest, person.account, {"userPrincipalName": f"{person.account}@elsewhere.test"})
    try:
        assert "1 refused" in run(agent, "sync", "run").stdout
        assert numbers(agent)[-2:] == ["42020", "657"]
    finally:
        api.delete_person(forest, person.account)


# --- running


def test_it_starts_synchronises_beats_and_stops_when_it_is_told_to(agent: AgentProcess) -> None:
    began = datetime.now(UTC)
    agent.start()
    for number in ("31015", "31019", "656", "657"):
        wait_for(agent, number, began)
    assert "this agent is running already" in run(agent, "run").stderr
    assert agent.process is not None
    agent.process.terminate()
    assert agent.process.wait(timeout=15) == 0
    assert numbers(agent)[-1] == "31016"
    assert agent.log.read_text() == ""


def test_what_was_claimed_is_finished_before_it_stops(stack: Stack, forest: lab.Forest, agent: AgentProcess) -> None:
    person = api.new_person(forest)
    run(agent, "sync", "run")
    script = Path(__file__).parents[2] / "support/slow_agent.py"
    slow = AgentProcess("slow", agent.config, stack.logs, wrapper=[sys.executable, script, "3"])
    began = datetime.now(UTC)
    slow.start()
    reset = _spawn(stack, "admin", "reset", f"{person.account}@{forest.dns_domain}", "--generate", "--keep")
    wait_for(agent, "31009", began)
    assert slow.process is not None
    slow.process.terminate()
    assert slow.process.wait(timeout=20) == 0
    assert numbers(agent)[-2:] == ["31010", "31016"]
    said, _ = reset.communicate(timeout=30)
    assert "was reset" in said


def test_it_starts_without_a_portal_and_works_when_there_is_one(stack: Stack, agent: AgentProcess) -> None:
    stack.portal.stop()
    try:
        agent.start()
        began = datetime.now(UTC)
        wait_for(agent, "32014", began)
        wait_for(agent, "32002", began)
        wait_for(agent, "32015", began)
    finally:
        stack.portal.start()
    assert "unlocked" in stack.keyback("admin", "unlock", f"alan@{stack.forests[0].dns_domain}")
    agent.stop()


def test_it_starts_without_a_directory_and_works_when_there_is_one(
    stack: Stack, forest_to_break: lab.Forest, agent: AgentProcess
) -> None:
    forest = forest_to_break
    lab.kill(forest.name)
    with running(agent) as began:
        wait_for(agent, "42019", began)
        with pytest.raises(RuntimeError, match="unreachable SSPR_0030"):
            stack.keyback("admin", "unlock", f"alan@{forest.dns_domain}")
        lab.restart(forest.name)
        assert "unlocked" in stack.keyback("admin", "unlock", f"alan@{forest.dns_domain}")


def test_a_rolled_key_is_announced_and_sealed_for(stack: Stack, forest: lab.Forest, agent: AgentProcess) -> None:
    file = state(agent) / "keys/unseal.json"
    stored = json.loads(file.read_text())
    stored[0]["made_at"] = "2026-01-01T00:00:00Z"  # as if the machine had been off for long
    file.write_text(json.dumps(stored))
    person = api.new_person(forest)
    run(agent, "sync", "run")
    with running(agent) as began:
        assert wait_for(agent, "31018", began).fields["key"] != stored[0]["key"]
        wait_until(lambda: json.loads(file.read_text())[-1]["announced"], timeout=20, what="its announcement")
        said = stack.keyback("admin", "reset", f"{person.account}@{forest.dns_domain}", "--generate", "--keep")
        assert "was reset" in said
    assert json.loads(file.read_text())[0]["replaced_at"] is not None


def _spawn(stack: Stack, *arguments: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    return subprocess.Popen(
        [KEYBACK, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        env={**environment, "KEYBACK_CONFIG": str(stack.config)},
    )


# --- what is damaged


@pytest.mark.parametrize(
    ("spoil", "number"),
    [
        (lambda state: (state / "keys/sign.pem").write_bytes(b""), "32010"),
        (lambda state: (state / "identity.json").write_bytes(b"{}"), "32005"),
        (lambda state: (state / "identity.json").chmod(0o644), "32005"),
        (lambda state: (state / "journal.sqlite").write_bytes(b"no journal" * 100), "32005"),
    ],
    ids=["signing key", "identity", "readable by others", "journal"],
)
def test_damaged_files_stop_the_start_with_one_line_and_an_event(
    stack: Stack, agent: AgentProcess, tmp_path: Path, spoil: Callable[[Path], object], number: str
) -> None:
    copy = stranger(stack, tmp_path)
    shutil.copytree(state(agent), state(copy))
    spoil(state(copy))
    said = run(copy, "run")
    assert said.returncode != 0
    assert said.stderr.startswith("keyback: ")
    assert said.stderr.count("\n") == 1
    assert numbers(copy)[-1] == number
