"""`keyback agent check` against a real portal and a real forest: what it says is so, and what it advises mends it."""

from __future__ import annotations

import csv
import json
import shlex
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ldap
import pytest
from tests.lab.service import Service
from tests.support import portals

import lab
from keyback.agent.checks import servers
from keyback.agent.checks.findings import Status
from keyback.agent.clock import SystemClock
from keyback.agent.config import load
from lab import _namespace, api
from lab._descriptor import Access, Entry
from lab.people import Kind, Person
from lab.stack import KEYBACK, AgentProcess, Stack, agent_toml

pytestmark = pytest.mark.lab

DIRSYNC_ALL = "1131f6ad-9c07-11d1-f79f-00c04fc2dcd2"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, forest: lab.Forest) -> Iterator[Stack]:
    with portals.running(tmp_path_factory.mktemp("check"), forest) as stack:
        yield stack


@pytest.fixture(scope="module")
def agent(stack: Stack) -> AgentProcess:
    """Onboarded and confirmed; not running."""
    return stack.onboard("checked")


def check(config: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [KEYBACK, "agent", "check", "--config", config, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def found(config: Path, *arguments: str, fails: bool) -> dict[str, Any]:
    """What it says to machines."""
    done = check(config, "--json", *arguments)
    assert done.returncode == fails, done.stdout + done.stderr
    assert not done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def findings(answer: dict[str, Any], *statuses: str) -> list[dict[str, Any]]:
    every = [one for section in answer["sections"] for one in section["findings"]]
    return [one for one in every if not statuses or one["status"] in statuses]


def codes(answer: dict[str, Any], *statuses: str) -> set[str]:
    return {one["code"] for one in findings(answer, *statuses)}


def carry_out(forest: lab.Forest, line: str) -> None:
    """A printed samba-tool line, on the controller itself."""
    words = shlex.split(line)
    assert words[:2] == ["samba-tool", "dsacl"]
    local = ["-s", "/forest/etc/smb.conf", "-H", "/forest/private/sam.ldb"]
    _namespace.run_inside(forest.root, [*words, *local], forest=forest.data_of(forest.controllers[0]))


def samba_lines(answer: dict[str, Any]) -> list[str]:
    lines = [line for one in findings(answer, "failed", "warning") for line in one["repair"]]
    return list(dict.fromkeys(line for line in lines if line.startswith("samba-tool")))


# --- all is well


def test_first_come_the_account_and_the_hosts_to_allow(agent: AgentProcess, forest: lab.Forest, stack: Stack) -> None:
    done = check(agent.config)
    assert done.returncode == 0, done.stdout
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    portal = stack.url.removeprefix("http://")
    assert lines[:4] == [
        "What this agent uses",
        f"Account in {forest.dns_domain}: {forest.service_dn}",
        f"Allow outbound TCP to {portal}",
        f"Allow outbound TCP to {forest.ip}:636",
    ]


def test_every_step_is_told_and_nothing_fails(agent: AgentProcess, forest: lab.Forest) -> None:
    answer = found(agent.config, fails=False)
    assert answer["accounts"] == {forest.dns_domain: forest.service_dn}
    assert all(host.rsplit(":", 1)[1].isdigit() and "/" not in host for host in answer["hosts"])
    assert codes(answer, "failed", "warning") == set()
    assert codes(answer, "ok") == {
        *("portal.proxy", "portal.name", "portal.tcp", "portal.door", "portal.clock", "portal.credentials"),
        *("directory.tls", "directory.bind", "directory.hints", "directory.level", "directory.clock"),
        *("directory.scope", "directory.policy", "directory.kerberos"),
        *("rights.reset_password", "rights.change_password", "rights.write_lockout_time"),
        *("rights.write_pwd_last_set", "rights.unexpire_password", "rights.excess"),
    }


def test_whether_deletions_are_seen_or_have_to_be_found_is_told(agent: AgentProcess, forest: lab.Forest) -> None:
    assert "may not look into Deleted Objects" in check(agent.config).stdout
    config = load(agent.config).forest[0]
    seeing = config.model_copy(
        update={"bind_dn": forest.administrator_upn, "password_file": forest.administrator_password_file}
    )
    section = servers.check_server(seeing, seeing.servers_with_password()[0], now=SystemClock().now)
    assert "Deletions: seen as they happen" in [one.text for one in section.findings]


def test_one_persons_rights_are_told_with_the_entry_that_decides(agent: AgentProcess) -> None:
    done = check(agent.config, "--person", "ada")
    assert done.returncode == 0, done.stdout
    assert "Reset Password: allowed to the account itself, inherited" in done.stdout
    assert "Change Password: allowed to" in done.stdout


# --- rights


@pytest.mark.parametrize(
    ("right", "code"),
    [
        ("reset-password", "rights.reset_password"),
        ("write-lockout-time", "rights.write_lockout_time"),
        ("write-pwd-last-set", "rights.write_pwd_last_set"),
    ],
)
def test_the_printed_line_grants_what_is_missing(
    agent: AgentProcess, forest: lab.Forest, rights: Callable[[str], None], right: str, code: str
) -> None:
    rights(right)
    answer = found(agent.config, fails=right != "write-pwd-last-set")
    assert codes(answer, "failed", "warning") == {code}
    dsacls, samba = next(one for one in findings(answer) if one["code"] == code)["repair"]
    assert dsacls.startswith(f'dsacls "{forest.people_dn}" /I:S /G "{forest.netbios}\\svc-keyback:')
    carry_out(forest, samba)
    assert codes(found(agent.config, fails=False), "failed", "warning") == set()


def test_a_denial_on_one_person_is_found_explained_and_mended(
    agent: AgentProcess, forest: lab.Forest, new_person: Callable[..., Person]
) -> None:
    account = new_person().account
    api.deny_right(forest, "reset-password", account)
    with pytest.raises(ldap.INSUFFICIENT_ACCESS):
        Service(forest).reset(account, "Fresh-Passw0rd!", hints=False)
    answer = found(agent.config, "--person", account, fails=True)
    (failed,) = findings(answer, "failed")
    assert "denied to the account itself, on the object itself" in failed["text"]
    (line,) = samba_lines(answer)
    carry_out(forest, line)
    assert codes(found(agent.config, "--person", account, fails=False), "failed") == set()
    Service(forest).reset(account, "Fresh-Passw0rd!", hints=False)


def test_an_inherited_denial_is_traced_to_where_it_stands(
    agent: AgentProcess, forest: lab.Forest, rights: Callable[[str], None]
) -> None:
    del rights  # restores what is bent here
    api.deny_right(forest, "reset-password")
    answer = found(agent.config, fails=True)
    (failed,) = findings(answer, "failed")
    assert f"denied to the account itself, inherited from {forest.people_dn}" in failed["text"]
    (line,) = samba_lines(answer)
    carry_out(forest, line)
    assert codes(found(agent.config, fails=False), "failed") == set()


def test_where_inheritance_is_off_the_lines_name_the_person(
    agent: AgentProcess, forest: lab.Forest, new_person: Callable[..., Person]
) -> None:
    account = new_person().account
    api.set_inheritance(forest, account, False)
    answer = found(agent.config, "--person", account, fails=True)
    lacking = [one for one in findings(answer, "failed") if one["code"] == "rights.reset_password"]
    assert "inheritance is off" in lacking[0]["text"]
    assert lacking[0]["repair"][0].endswith("/P:N")
    for line in samba_lines(answer):
        carry_out(forest, line)
    Service(forest).reset(account, "Fresh-Passw0rd!", hints=False)
    # What is left: its userAccountControl was readable by inheritance too, and the agent refuses whom it cannot judge.
    answer = found(agent.config, "--person", account, fails=True)
    assert codes(answer, "failed", "warning") == {"person.refused"}
    assert "cannot be read" in findings(answer, "failed")[0]["text"]
    api.set_inheritance(forest, account, True)
    assert codes(found(agent.config, "--person", account, fails=False), "failed", "warning") == set()


def test_unexpire_password_denied_on_the_domain_is_found_and_mended(
    agent: AgentProcess, forest: lab.Forest, rights: Callable[[str], None]
) -> None:
    del rights  # restores what is bent here
    api.deny_right(forest, "unexpire-password")
    answer = found(agent.config, "--person", "ada", fails=True)
    assert codes(answer, "failed") == {"rights.unexpire_password"}
    for line in samba_lines(answer):
        carry_out(forest, line)
    assert codes(found(agent.config, "--person", "ada", fails=False), "failed") == set()


def test_nobody_is_advised_to_open_a_protected_account(agent: AgentProcess) -> None:
    answer = found(agent.config, "--person", "adele", fails=True)
    assert codes(answer, "failed") == {"person.refused"}
    assert samba_lines(answer) == []


def test_more_rights_than_needed_are_warned_of(agent: AgentProcess, forest: lab.Forest) -> None:
    with forest.administrator() as directory:
        sid = directory.sid(forest.service_dn)
        entry = Entry(sid, Access.CONTROL_ACCESS, right=DIRSYNC_ALL)
        directory.grant(directory.base_dn, entry)
        operators = directory.find("Account Operators")
        directory.add_member(operators, forest.service_dn)
    try:
        answer = found(agent.config, fails=False)
    finally:
        with forest.administrator() as directory:
            directory.ungrant(directory.base_dn, entry)
            directory.remove_member(operators, forest.service_dn)
    said = " ".join(one["text"] for one in findings(answer, "warning") if one["code"] == "rights.excess")
    assert "Account Operators" in said
    assert "Replicating Directory Changes All" in said


# --- the directory


@contextmanager
def changed(agent: AgentProcess, folder: Path, old: str, new: str) -> Iterator[Path]:
    text = agent.config.read_text()
    assert old in text
    config = folder / "agent.toml"
    config.write_text(text.replace(old, new))
    yield config


def test_a_wrong_service_password_is_told(agent: AgentProcess, forest: lab.Forest, tmp_path: Path) -> None:
    wrong = tmp_path / "password"
    wrong.write_text("Not-the-Passw0rd")
    wrong.chmod(0o600)
    with changed(agent, tmp_path, str(forest.service_password_file), str(wrong)) as config:
        answer = found(config, fails=True)
    bind = next(one for one in findings(answer, "failed") if one["code"] == "directory.bind")
    assert "the name or the password is wrong" in bind["text"]
    assert "Not-the-Passw0rd" not in json.dumps(answer)


def test_an_authority_that_did_not_issue_the_certificate_is_told(
    agent: AgentProcess, forest: lab.Forest, other_forest: lab.Forest, tmp_path: Path
) -> None:
    with changed(agent, tmp_path, str(forest.ca_file), str(other_forest.ca_file)) as config:
        answer = found(config, fails=True)
    tls = next(one for one in findings(answer, "failed") if one["code"] == "directory.tls")
    assert "certificate refused" in tls["text"]


def test_a_base_that_is_not_there_is_told(agent: AgentProcess, forest: lab.Forest, tmp_path: Path) -> None:
    with changed(
        agent, tmp_path, f'base_dns = ["{forest.people_dn}"]', f'base_dns = ["OU=Nobody,{forest.people_dn}"]'
    ) as config:
        assert "directory.scope" in codes(found(config, fails=True), "failed")


def test_a_controller_without_the_hints_control_fails(older_forest: lab.Forest, tmp_path: Path) -> None:
    config = tmp_path / "agent.toml"
    config.write_text(agent_toml("http://127.0.0.1:9", tmp_path / "state", [older_forest]))
    answer = found(config, fails=True)
    assert {"portal.tcp", "directory.hints"} <= codes(answer, "failed")
    assert "directory.level" in codes(answer, "ok")


def test_each_server_is_judged_by_itself(agent: AgentProcess, forest: lab.Forest, tmp_path: Path) -> None:
    both = f'["ldaps://127.0.0.1:1", "{forest.ldaps_url}"]'
    with changed(agent, tmp_path, f'["{forest.ldaps_url}"]', both) as config:
        answer = found(config, fails=True)
    first, second = (one for one in answer["sections"] if one["title"].startswith("Directory"))
    assert [one["code"] for one in first["findings"]] == ["directory.reach"]
    assert first["findings"][0]["repair"] == ["Allow outbound TCP to 127.0.0.1:1."]
    assert {one["code"]: one["status"] for one in second["findings"] if one["status"] != "ok"} == {
        "directory.deletions": "note"
    }
    assert "127.0.0.1:1" in answer["hosts"]


def test_a_domain_below_the_lowest_level_fails(agent: AgentProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """No controller here can be set below it, so the limit is set above."""
    monkeypatch.setattr(servers, "LOWEST_LEVEL", 8)
    forest = load(agent.config).forest[0]
    section = servers.check_server(forest, forest.servers_with_password()[0], now=SystemClock().now)
    (failed,) = (one for one in section.findings if one.status is Status.FAILED)
    assert failed.code == "directory.level"
    assert "7 (Windows Server 2016)" in failed.text


# --- readiness


def test_readiness_counts_who_could_be_reset_and_why_not_the_others(
    agent: AgentProcess, forest: lab.Forest, new_person: Callable[..., Person], tmp_path: Path
) -> None:
    new_person(account="-formula")
    new_person(mail=f"own@{forest.dns_domain}")
    table = tmp_path / "ready.csv"
    summary = found(agent.config, "--readiness", "--csv", str(table), fails=False)["readiness"]
    reasons = summary["reasons"]
    expected = {
        "disabled": Kind.DISABLED,
        "account expired": Kind.EXPIRED,
        "admin count": Kind.ADMIN_COUNT,
        "protected group": Kind.NESTED_ADMIN,
        "cannot change": Kind.CANNOT_CHANGE,
        "no mail address": Kind.NO_MAIL,
    }
    kinds = Counter(person.kind for person in lab.people.PEOPLE)
    assert reasons == {reason: kinds[kind] for reason, kind in expected.items()}
    assert summary["people"] - summary["ready"] == sum(reasons.values())
    assert summary["remarks"]["may have an empty password"] == kinds[Kind.WITHOUT_PASSWORD]
    assert summary["remarks"]["mail only in domains of user IDs"] == 1

    with table.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == summary["people"]
    assert sum(row["ready"] == "yes" for row in rows) == summary["ready"]
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]
    assert any(row["user ID"].startswith("'-formula") for row in rows)
    assert next(row for row in rows if row["user ID"].startswith("dennis@"))["reasons"] == "disabled"


def test_whom_the_minimum_age_stops_is_not_ready_today(
    agent: AgentProcess, policy: Callable[..., None], new_person: Callable[..., Person]
) -> None:
    new_person()
    policy(min_age=24 * 3600)
    summary = found(agent.config, "--readiness", fails=False)["readiness"]
    assert summary["reasons"]["password changed too recently"] >= 1
