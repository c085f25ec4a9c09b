"""A new service password: tried, stored, taken up by the running agent; wrong or too long ones are not stored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from keyback.agent.config import load
from keyback.agent.events import read_events
from keyback.agent.forests import Forest as AgentForest
from keyback.cli.agent import agent as agent_command
from keyback.directory.errors import BindRefused
from lab import Forest, api
from lab.stack import agent_toml

pytestmark = pytest.mark.lab

NEW = "Wholly-New-Service-Pa55word"


@pytest.fixture
def config(forest: Forest, tmp_path: Path) -> Path:
    """An agent's file whose password file is the test's own."""
    own = tmp_path / "svc.password"
    own.touch(mode=0o600)
    own.write_text(forest.service_password_file.read_text())
    text = agent_toml("http://127.0.0.1:9", tmp_path / "state", [forest])
    file = tmp_path / "agent.toml"
    file.write_text(text.replace(str(forest.service_password_file), str(own)))
    return file


@pytest.fixture
def changed(forest: Forest) -> Iterator[None]:
    """The service account has another password in the directory until the test ends."""
    account = forest.service_upn.partition("@")[0]
    api.set_password(forest, account, NEW)
    yield
    api.set_password(forest, account, forest.service_password_file.read_text())


def set_password(config: Path, forest: str, password: str) -> tuple[int, str]:
    done = CliRunner().invoke(
        agent_command, ["credentials", "set", forest, "--config", str(config)], input=f"{password}\n{password}\n"
    )
    return done.exit_code, f"{done.output} {done.exception or ''}"


def stored(config: Path) -> str:
    return (config.parent / "svc.password").read_text()


def ids(config: Path) -> list[str]:
    return [event.id for event in read_events(config.parent / "state")]


def test_a_new_password_is_tried_stored_and_taken_up_without_a_restart(
    forest: Forest, config: Path, tmp_path: Path, changed: None
) -> None:
    (tmp_path / "svc.password").write_text("long out of use")  # one just out of use still binds for an hour
    settings = load(config)
    reached = AgentForest(settings.forest[0], settings.forest[0].servers_with_password(), settings.protected, 2)
    try:
        with pytest.raises(BindRefused), reached.connection():
            pytest.fail("its password is an old one")
        code, said = set_password(config, forest.dns_domain, NEW)
        assert (code, NEW in said) == (0, False)
        assert f"{forest.host} takes it. Stored." in said
        with reached.connection() as connection:
            assert connection.root.dns_host_name == forest.host
    finally:
        reached.close()
    assert stored(config) == NEW


def test_a_password_that_the_directory_refuses_is_not_stored(forest: Forest, config: Path) -> None:
    before = stored(config)
    code, said = set_password(config, forest.dns_domain, "not the password")
    assert code != 0 and "6329 0x80230626" in said and "nothing was stored" in said
    assert stored(config) == before
    assert ids(config) == ["6329"]


@pytest.mark.parametrize(("length", "too_long"), [(256, False), (257, True)])
def test_256_characters_are_tried_and_more_are_800700ce(
    forest: Forest, config: Path, length: int, too_long: bool
) -> None:
    code, said = set_password(config, forest.dns_domain, "x" * length)
    assert code != 0
    assert ("800700CE: the service account's password is longer than 256 characters" in said) == too_long
    assert ids(config) == ["800700CE" if too_long else "6329"]


def test_a_password_from_a_file_that_others_can_read_is_refused(forest: Forest, config: Path, tmp_path: Path) -> None:
    file = tmp_path / "new"
    file.write_text(NEW)
    file.chmod(0o644)
    arguments = ["credentials", "set", forest.dns_domain, "--config", str(config), "--password-file", str(file)]
    assert "chmod 600" in str(CliRunner().invoke(agent_command, arguments).exception)


def test_the_accounts_are_listed(forest: Forest, config: Path) -> None:
    said = CliRunner().invoke(agent_command, ["credentials", "list", "--config", str(config)]).output
    assert said == f"{forest.dns_domain}: {forest.service_dn} ({config.parent / 'svc.password'})\n"
    code, said = set_password(config, "elsewhere.test", NEW)
    assert code != 0 and "no such forest" in said
