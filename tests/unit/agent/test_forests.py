"""Which controller is chosen. Real controllers: tests/lab/agent/test_controllers.py; here those that the lab lacks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from keyback.agent import forests
from keyback.agent.config import ForestConfig, Protected
from keyback.agent.forests import Forest
from keyback.directory import DirectoryServer
from keyback.directory.errors import Unreachable


@dataclass
class Root:
    dns_host_name: str
    read_only: bool = False


@dataclass
class Controller:
    """``answers``: whether it can be reached."""

    root: Root
    pdc: bool = False
    answers: bool = True

    def emulates_pdc(self) -> bool:
        return self.pdc


@dataclass
class Site:
    """By URL."""

    controllers: dict[str, Controller] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def forest(self, monkeypatch: pytest.MonkeyPatch) -> Forest:
        site = self

        class Pool:
            def __init__(self, server: DirectoryServer, size: int) -> None:
                self.server = server

            @contextmanager
            def connection(self) -> Iterator[Controller]:
                site.asked.append(self.server.url)
                controller = site.controllers[self.server.url]
                if not controller.answers:
                    raise Unreachable(self.server.url, "gone")
                yield controller

            def close(self) -> None:
                pass

        monkeypatch.setattr(forests, "Pool", Pool)
        config = ForestConfig(
            name="corp.example.test",
            domains=("corp.example.test",),
            servers=tuple(self.controllers),
            ca_file=Path("ca.pem"),
            bind_dn="CN=svc",
            password_file=Path("password"),
            base_dns=("DC=corp",),
        )
        servers = [DirectoryServer(url, Path("ca.pem"), "CN=svc", "password") for url in self.controllers]
        return Forest(config, servers, Protected(), 2)


def site(**kinds: str) -> Site:
    made = Site()
    for name, kind in kinds.items():
        made.controllers[f"ldaps://{name}"] = Controller(Root(name, kind == "rodc"), kind == "pdc", kind != "gone")
    return made


def written(forest: Forest) -> str:
    with forest.connection() as connection:
        return connection.root.dns_host_name


def read(forest: Forest) -> str:
    with forest.nearest() as connection:
        return connection.root.dns_host_name


def test_a_read_only_controller_is_read_from_and_never_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    forest = site(branch="rodc", main="writable").forest(monkeypatch)
    assert (read(forest), written(forest)) == ("branch", "main")


def test_where_only_a_read_only_controller_answers_nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    forest = site(branch="rodc", main="gone").forest(monkeypatch)
    with pytest.raises(Unreachable):
        written(forest)
    assert read(forest) == "branch"


def test_the_pdc_emulator_is_found_wherever_it_stands_and_asked_alone_from_then_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = site(one="writable", two="writable", three="pdc")
    forest = here.forest(monkeypatch)
    assert written(forest) == "three"
    here.asked.clear()
    assert written(forest) == "three"
    assert here.asked == ["ldaps://three"]


def test_a_controller_that_is_gone_is_asked_once_a_minute_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    here = site(one="pdc", two="writable")
    forest = here.forest(monkeypatch)
    here.controllers["ldaps://one"].answers = False
    assert [written(forest), written(forest)] == ["two", "two"]
    assert here.asked.count("ldaps://one") == 1
    here.controllers["ldaps://one"].answers = True
    monkeypatch.setattr(forests, "SHUNNED", 0.0)
    here.controllers["ldaps://two"].answers = False
    assert written(forest) == "one"


def test_a_controller_that_goes_silent_in_use_is_left_for_another_the_next_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forest = site(one="pdc", two="writable").forest(monkeypatch)
    with pytest.raises(Unreachable), forest.connection():
        raise Unreachable("ldaps://one", "no answer to a search")
    assert written(forest) == "two"


def test_when_the_role_moves_writes_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forests, "ROLES_AGE", 0.0)
    here = site(one="pdc", two="writable")
    forest = here.forest(monkeypatch)
    assert written(forest) == "one"
    here.controllers["ldaps://one"].pdc, here.controllers["ldaps://two"].pdc = False, True
    written(forest)
    assert written(forest) == "two"
