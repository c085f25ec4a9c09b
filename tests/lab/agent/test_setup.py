"""``keyback agent setup``: walked page by page in a terminal, and by flags; run again it shows what is set."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.support import portals
from tests.support.terminal import Terminal

from keyback.agent.config import load
from keyback.cli.agent import agent as agent_command
from lab import Forest
from lab.stack import KEYBACK, Stack

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, forest: Forest) -> Iterator[Stack]:
    with portals.running(tmp_path_factory.mktemp("setup"), forest) as stack:
        yield stack


def code(stack: Stack) -> str:
    return stack.keyback("agent-code", "create", stack.slug).split()[-1]


def flags(stack: Stack, forest: Forest, folder: Path) -> list[str]:
    return [
        *("--config", str(folder / "agent.toml"), "--portal", stack.url, "--name", folder.name),
        *("--state-dir", str(folder / "state"), "--forest", forest.dns_domain, "--server", forest.ldaps_url),
        *("--ca-file", str(forest.ca_file), "--bind-dn", forest.service_dn),
        *("--password-from", str(forest.service_password_file), "--base-dn", forest.people_dn),
    ]


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(agent_command, ["setup", *arguments])
    return done.exit_code, f"{done.output}{done.exception or ''}"


def test_every_page_is_walked_and_nothing_is_written_before_the_end(
    stack: Stack, forest: Forest, tmp_path: Path
) -> None:
    file = tmp_path / "agent.toml"
    secret = forest.service_password_file.read_text()
    arguments = ["agent", "setup", "--config", str(file), "--state-dir", str(tmp_path / "state")]
    with Terminal([str(KEYBACK), *arguments]) as terminal:
        for question, answer in [
            ("Address of the portal", "http://elsewhere.test"),
            ("plain http is for loopback only", "http://127.0.0.1:9"),
            ("Proxy", ""),
            ("That did not work: TCP", None),
            ("Change something", "y"),
            ("Address of the portal", stack.url),
            ("Proxy", ""),
            ("The portal answers", None),
            ("Name of this agent", "walked"),
            ("One-time code", code(stack)),
            ("Directory and service account", None),
            ("DNS name of the forest", forest.dns_domain),
            ("User IDs end in", ""),
            ("Domain controllers", forest.ldaps_url),
            ("File of the authorities", "/nowhere"),
            ("there is no such file", str(forest.ca_file)),
            ("Service account", forest.service_dn),
            ("Its password", "not it"),
            ("Once more", "not it"),
            ("People are in", forest.people_dn),
            ("That did not work", None),
            ("Change something", "y"),
            ("DNS name of the forest", ""),
            ("User IDs end in", ""),
            ("Domain controllers", ""),
            ("File of the authorities", ""),
            ("Service account", ""),
            ("Its password", secret),
            ("Once more", secret),
            ("People are in", ""),
            (f"Signed in at {forest.host}", None),
            ("Anchor", "mS-DS-ConsistencyGuid"),
            ("Writeback: carry out resets", "y"),
            ("Ready to configure", None),
            ("Source anchor +mS-DS-ConsistencyGuid", None),
            ("Configure\\?", None),
        ]:
            terminal.expect(question)
            if answer is not None:
                terminal.say(answer)
        assert list(tmp_path.iterdir()) == [], "nothing is written before"
        terminal.say("y")
        fingerprint = terminal.expect(r"([0-9a-f]{4} ){7}[0-9a-f]{4}")
        terminal.expect("Synchronise now\\?")
        terminal.say("y")
        stack.keyback("agents", "confirm", stack.slug, "walked", "--fingerprint", fingerprint)
        assert re.search(r"\d+ added", terminal.rest())
    assert secret not in terminal.seen
    config = load(file)
    assert config.forest[0].anchor == "mS-DS-ConsistencyGuid"
    assert (tmp_path / f"{forest.dns_domain}.password").read_text() == secret
    assert (tmp_path / f"{forest.dns_domain}.password").stat().st_mode & 0o777 == 0o600
    assert file.stat().st_mode & 0o777 == 0o644, "the service reads it as another user; no secret is in it"
    assert secret not in file.read_text()


def test_by_flags_alone_and_again_to_switch_writeback_and_synchronise(
    stack: Stack, forest: Forest, tmp_path: Path
) -> None:
    first = flags(stack, forest, tmp_path)
    exit_code, said = run(*first, "--code", code(stack), "--yes", "--no-writeback")
    assert exit_code == 0, said
    fingerprint = re.search(r"([0-9a-f]{4} ){7}[0-9a-f]{4}", said)
    assert fingerprint is not None
    stack.keyback("agents", "confirm", stack.slug, tmp_path.name, "--fingerprint", fingerprint.group())
    file = tmp_path / "agent.toml"
    file.write_text("# kept\n" + file.read_text() + "\n[limits]\nper_hour = 77 # kept too\n")

    exit_code, shown = run("--config", str(file), "--show")
    assert "off: people are synchronised only" in shown and forest.service_dn in shown
    exit_code, said = run("--config", str(file), "--writeback", "--anchor", "mS-DS-ConsistencyGuid", "--sync", "--yes")
    assert exit_code == 0, said
    assert re.search(r"\d+ added", said), "it synchronised"
    text = file.read_text()
    assert text.startswith("# kept\n") and "per_hour = 77 # kept too" in text
    assert load(file).forest[0].anchor == "mS-DS-ConsistencyGuid"
    status = subprocess.run(
        [KEYBACK, "agent", "writeback", "status", "--config", file], capture_output=True, text=True, check=True
    )
    assert status.stdout == f"{forest.dns_domain}: on\n"


def test_what_is_missing_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    exit_code, said = run("--config", str(tmp_path / "agent.toml"), "--yes", "--forest", "corp.example.test")
    assert exit_code != 0
    for name in ("--portal", "--base-dn", "--bind-dn, or --keytab", "--password-from", "--code"):
        assert name in said
    assert list(tmp_path.iterdir()) == []


def test_a_refused_code_at_the_last_step_is_32009_and_can_be_repeated(
    stack: Stack, forest: Forest, tmp_path: Path
) -> None:
    exit_code, said = run(*flags(stack, forest, tmp_path), "--code", "never-made-code", "--yes")
    assert exit_code != 0 and "32009 AuthTokenError" in said
    exit_code, said = run("--config", str(tmp_path / "agent.toml"), "--code", code(stack), "--yes")
    assert exit_code == 0, said
