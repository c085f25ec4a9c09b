"""The running agent and its commands, against a real portal and a real forest."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from tests.lab.agent.service import numbers, run, running, state, wait_for
from tests.support import portals
from tests.support.proxy import forward_proxy
from tests.support.waiting import wait_until

import lab
from keyback.agent.build import parts
from keyback.agent.config import load
from keyback.agent.identity import load_identity
from lab import api
from lab.people import alternative_suffixes
from lab.stack import KEYBACK, AgentProcess, Stack, agent_toml

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, forest: lab.Forest) -> Iterator[Stack]:
    """A portal that runs."""
    with portals.running(tmp_path_factory.mktemp("service"), forest) as stack:
        yield stack


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


def test_an_answer_that_cannot_be_stored_is_32007_and_a_fresh_code_mends_it(stack: Stack, tmp_path: Path) -> None:
    agent = stranger(stack, tmp_path)
    in_the_way = state(agent) / "keys"
    in_the_way.parent.mkdir(mode=0o700)
    in_the_way.write_text("")
    code = stack.keyback("agent-code", "create", stack.slug).split()[-1]
    assert "32007 OnBoardingConfigUpdateError" in run(agent, "onboard", "--code", code).stderr
    assert numbers(agent) == ["31004", "31018", "31017", "32007"]
    in_the_way.unlink()
    code = stack.keyback("agent-code", "create", stack.slug).split()[-1]
    assert run(agent, "onboard", "--code", code).returncode == 0
    assert numbers(agent)[-1] == "31005"


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
        wait_for(patient, "42018", revoked)
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


def test_what_the_last_runs_did_is_told(forest: lab.Forest, agent: AgentProcess) -> None:
    run(agent, "sync", "run")
    status = json.loads(run(agent, "sync", "status", "--json").stdout)
    assert (status["forest"], status["account"]) == (forest.dns_domain, forest.service_dn)
    assert status["changes"] == "by DirSync, every 3 s"
    assert status["runs"][0]["kind"] == "whole"
    assert "complete" in run(agent, "sync", "history", "--last", "1").stdout
    assert forest.ldaps_url in run(agent, "sync", "status").stdout


def test_a_whole_chain_is_shown_link_by_link(forest: lab.Forest, agent: AgentProcess) -> None:
    for name in (f"ada@{forest.dns_domain}", f"{forest.netbios}\\ada"):
        said = run(agent, "sync", "show", name, "--json")
        assert said.returncode == 0
        chain = json.loads(said.stdout)
        assert chain["whole"] is True
        assert chain["directory object"].startswith("CN=Ada Lovelace")
        assert chain["known there as"] == f"ada@{forest.dns_domain}"
        assert "Engineering" in chain["groups"]
    assert "every link holds" in run(agent, "sync", "show", "ada@example.test").stdout


def test_a_broken_chain_names_the_link(forest: lab.Forest, agent: AgentProcess) -> None:
    newcomer, stranger = (api.new_person(forest).account for _ in range(2))
    api.set_attributes(forest, stranger, {"userPrincipalName": f"{stranger}@elsewhere.test"})
    try:
        assert "was not told of it yet" in broken(agent, newcomer)
        run(agent, "sync", "run")
        assert "not a verified domain" in broken(agent, stranger)
        assert "elsewhere.test is not a verified domain" in run(agent, "sync", "history").stdout
    finally:
        api.delete_person(forest, newcomer)
        api.delete_person(forest, stranger)
    assert "outside base_dns" in broken(agent, "oskar")
    assert "disabled" in broken(agent, "dennis")
    assert "BROKEN" in run(agent, "sync", "show", "dennis").stdout
    assert "no forest has anybody" in run(agent, "sync", "show", "nobody").stderr


def test_a_filter_and_a_duplicate_are_links_that_break_too(forest: lab.Forest, agent: AgentProcess) -> None:
    robot, one, two = (api.new_person(forest).account for _ in range(3))
    api.set_attributes(forest, robot, {"employeeType": "robot"})
    for account in (one, two):
        api.set_attributes(forest, account, {"mS-DS-ConsistencyGuid": b"0123456789abcdef"})
    text = agent.config.read_text()
    settings = 'filter = "(!(employeeType=robot))"\nanchor = "mS-DS-ConsistencyGuid"\nsync_interval_s'
    agent.config.write_text(text.replace("sync_interval_s", settings))
    try:
        run(agent, "sync", "run")
        assert "(!(employeeType=robot)) does not match it" in broken(agent, robot)
        found = broken(agent, one)
        assert "duplicate anchor" in found and f"in {forest.dns_domain} is enabled too" in found
    finally:
        agent.config.write_text(text)
        for account in (robot, one, two):
            api.delete_person(forest, account)
        run(agent, "sync", "run")


def broken(agent: AgentProcess, account: str) -> str:
    said = run(agent, "sync", "show", account, "--json")
    assert said.returncode == 1
    return "; ".join(json.loads(said.stdout)["broken"])


def test_a_run_in_a_terminal_shows_a_bar(agent: AgentProcess) -> None:
    ours, theirs = os.openpty()
    command = [KEYBACK, "agent", "sync", "run", "--config", agent.config]
    subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, timeout=60, check=True)
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # the other end is closed
        while part := os.read(ours, 65536):
            shown += part
    os.close(ours)
    assert b"100%" in shown and b"#" in shown


def test_when_many_go_at_once_the_portals_operator_is_asked(
    stack: Stack, forest: lab.Forest, agent: AgentProcess
) -> None:
    text = agent.config.read_text()
    agent.config.write_text(text.replace("sync_interval_s", 'filter = "(sAMAccountName=a*)"\nsync_interval_s'))
    try:
        said = run(agent, "sync", "run")
        assert "they all stay" in said.stderr and "0 removed" in said.stdout
        assert "keyback removals confirm" in run(agent, "sync", "status").stdout
    finally:
        agent.config.write_text(text)
    waiting = json.loads(stack.keyback("removals", "list", stack.slug, "--json"))
    assert waiting["forest"] == forest.dns_domain and waiting["people"] > 5
    run(agent, "sync", "run")
    assert "Nobody waits" in stack.keyback("removals", "list", stack.slug)


def test_the_portal_is_told_in_which_domains_user_ids_end_whatever_the_file_says(
    stack: Stack, forest: lab.Forest, agent: AgentProcess
) -> None:
    def told() -> list[str]:
        (file,) = stack.portal_directory.rglob("keyback.sqlite3")
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
            (domains,) = database.execute("SELECT domains FROM agents_agentforest").fetchone()
        return sorted(json.loads(domains))

    text = agent.config.read_text()
    agent.config.write_text(re.sub(r"(?m)^domains = .*$", 'domains = ["nobody.test"]', text))
    try:
        with parts(load(agent.config)) as made:
            (one,) = made.forests.values()
            made.synchronisation().run(one, made.identity.forest_id(one.name) or UUID(int=0))
            made.switchboard().agree(datetime.now(UTC))
    finally:
        agent.config.write_text(text)
    assert told() == sorted([forest.dns_domain, *alternative_suffixes(forest.dns_domain)])


# --- running


def test_changes_in_the_directory_arrive_within_ten_seconds(
    stack: Stack, forest: lab.Forest, agent: AgentProcess
) -> None:
    # Other tests have removed people within the same 24 hours.
    stack.keyback("org", "set", stack.slug, "--removal-share", "100")
    renamed, moved, disabled, deleted = (api.new_person(forest).account for _ in range(4))
    run(agent, "sync", "run")
    with running(agent) as began:
        wait_for(agent, "657", began)
        with forest.administrator() as directory:
            directory.replace(directory.find(renamed), {"displayName": "Renée", "sAMAccountName": f"{renamed}x"})
            directory.rename(directory.find(f"{renamed}x"), f"CN=Renée {renamed}")
            directory.rename(directory.find(moved), f"CN={moved}", f"OU=Outside,{forest.base_dn}")
            directory.replace(directory.find(disabled), {"userAccountControl": 0x202})
            directory.delete(directory.find(deleted))
        newcomer = api.new_person(forest).account
        expected = (
            (f"{renamed}x", "display_name = 'Renée'"),
            (moved, "removed_at IS NOT NULL"),
            (disabled, "NOT enabled"),
            (deleted, "removed_at IS NOT NULL"),
            (newcomer, "removed_at IS NULL"),
        )
        wait_until(lambda: all(is_so(stack, *one) for one in expected), timeout=10, what="five changes")
    for account in (f"{renamed}x", moved, disabled, newcomer):
        api.delete_person(forest, account)


def is_so(stack: Stack, account: str, condition: str) -> bool:
    """Whether the portal's row of this person fulfils the condition."""
    (file,) = stack.portal_directory.rglob("keyback.sqlite3")
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
        question = f"SELECT 1 FROM people_person WHERE account_name = ? AND {condition}"  # noqa: S608 — a test's own
        return database.execute(question, (account,)).fetchone() is not None


def test_it_starts_synchronises_beats_and_stops_when_it_is_told_to(agent: AgentProcess) -> None:
    began = datetime.now(UTC)
    agent.start()
    for number in ("31015", "31019", "656", "657"):
        wait_for(agent, number, began)
    assert "this agent is running already" in run(agent, "run").stderr
    killed = datetime.now(UTC)
    agent.kill()
    agent.start()
    wait_for(agent, "31015", killed)
    assert "killed" in wait_for(agent, "31016", killed).message  # it could not say so itself
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
        began = datetime.now(UTC)
        agent.start()
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


def test_answers_that_a_proxy_alters_are_32008_and_nothing_of_them_is_believed(
    stack: Stack, agent: AgentProcess
) -> None:
    text = agent.config.read_text()
    with forward_proxy() as proxy:
        proxy.alter = lambda _, body: body + b"<!-- scanned -->"
        agent.config.write_text(f'{text}\n[proxy]\nmode = "configured"\nurl = "{proxy.url}"\n')
        try:
            with running(agent) as began:
                wait_for(agent, "32008", began)
                proxy.alter = lambda _, body: body
                assert "unlocked" in stack.keyback("admin", "unlock", f"alan@{stack.forests[0].dns_domain}")
                assert any(path.endswith("/poll") for path in proxy.seen)
        finally:
            agent.config.write_text(text)


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
