"""Several controllers: writes go to the PDC emulator, another one takes over, a lock-out ends on all of the site."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from tests.lab.agent.desk import Desk
from tests.lab.directory.conftest import server_of
from tests.support.srv import Srv, srv
from tests.support.waiting import wait_until

import lab
from keyback.agent.config import IMPATIENCE, ForestConfig, Protected
from keyback.agent.forests import Forest as AgentForest
from keyback.directory import connect, read_back
from keyback.directory.errors import BindRefused, Unreachable
from keyback.protocol.messages import Operation
from keyback.protocol.outcomes import OutcomeCode
from lab import Forest, api

pytestmark = pytest.mark.lab


@contextmanager
def served(forest: Forest, **changed: object) -> Iterator[AgentForest]:
    """The agent's end: dc2 is listed first, so that whoever prefers the PDC emulator, dc1, does so on purpose."""
    values: dict[str, object] = {
        "name": forest.dns_domain,
        "domains": [forest.dns_domain],
        "servers": [f"ldaps://{each.ip}" for each in reversed(forest.controllers)],
        "ca_file": str(forest.ca_file),
        "bind_dn": forest.service_dn,
        "password_file": str(forest.service_password_file),
        "base_dns": [forest.people_dn],
    }
    config = ForestConfig.model_validate(values | changed)
    reached = AgentForest(config, config.servers_with_password(), Protected(), 2)
    yield reached
    reached.close()


@pytest.fixture
def dns(two_controllers: Forest) -> Iterator[Srv]:
    """Names the controllers by their addresses, which need no further name service; only dc2 is of the site Paris."""
    one, two = (f"0 100 389 {each.ip}." for each in two_controllers.controllers)
    domain = two_controllers.dns_domain
    with srv() as zone:
        zone.records = {
            f"_ldap._tcp.dc._msdcs.{domain}": [one, two],
            f"_ldap._tcp.paris._sites.dc._msdcs.{domain}": [two],
            f"_ldap._tcp.pdc._msdcs.{domain}": [one],
        }
        yield zone


def host(forest: AgentForest, *, writing: bool = True) -> str:
    with forest.connection() if writing else forest.nearest() as connection:
        return connection.root.dns_host_name.split(".")[0]


def test_writes_go_to_the_pdc_emulator_and_reads_to_the_first(two_controllers: Forest) -> None:
    with served(two_controllers) as reached:
        assert (host(reached), host(reached, writing=False)) == ("dc1", "dc2")


def test_when_the_pdc_emulator_is_gone_or_frozen_another_controller_is_written_to(two_controllers: Forest) -> None:
    assert 2 * IMPATIENCE < 5, "TCP and TLS to the one that is gone; within five seconds another one answers"
    with served(two_controllers) as reached:
        assert host(reached) == "dc1"
        lab.freeze(two_controllers.name, "dc1")
        try:
            assert host(reached) == "dc2"
        finally:
            lab.thaw(two_controllers.name, "dc1")
        lab.kill(two_controllers.name, "dc1")
        try:
            assert host(reached) == "dc2"
        finally:
            lab.restart(two_controllers.name, "dc1")


def test_controllers_are_found_by_dns_with_those_of_the_site_first(two_controllers: Forest, dns: Srv) -> None:
    by_dns = {"servers": [], "name_servers": [dns.address]}
    with served(two_controllers, **by_dns, site="paris") as reached:
        assert (host(reached), host(reached, writing=False)) == ("dc1", "dc2")
        asked = len(dns.asked)
        host(reached)
        assert len(dns.asked) == asked, "DNS is not asked for each connection"
    with served(two_controllers, **by_dns, scheme="ldap") as reached, reached.nearest() as connection:
        assert connection.server.url.startswith("ldap://")


def test_a_dns_that_names_nobody_is_unreachable_until_it_does(
    two_controllers: Forest, dns: Srv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyback.agent.forests.LOOK_SOON", 0.0)
    known, dns.records = dns.records, {}
    with served(two_controllers, servers=[], name_servers=[dns.address]) as reached:
        with pytest.raises(Unreachable, match="DNS names no domain controller"):
            host(reached)
        dns.records = known
        assert host(reached) == "dc1"


def test_a_lock_out_is_cleared_on_the_sites_other_controllers_too_but_by_no_inspection(
    two_controllers: Forest, tmp_path: Path
) -> None:
    forest = two_controllers
    guid = UUID(bytes_le=api.get_attributes(forest, "grace", "objectGUID")["objectGUID"][0])
    second = replace(server_of(forest), url=f"ldaps://{forest.controllers[1].ip}")
    desk = Desk(forest, tmp_path / "desk")
    desk.close()
    desk.start(servers=[f"ldaps://{each.ip}" for each in forest.controllers])  # type: ignore[arg-type]  # as in TOML
    api.lock_out(forest, "grace")
    try:
        with connect(second) as other:
            wait_until(lambda: read_back(other, guid).locked_out, timeout=60, what="the lock-out's arrival")
            lab.replication(forest.name, paused=True)
            looked = desk.order(guid, Operation.INSPECT, unlock=True)
            assert desk.do(looked).code is OutcomeCode.DONE
            unlocked = desk.order(guid, Operation.UNLOCK)
            assert desk.do(unlocked).code is OutcomeCode.DONE
            wait_until(lambda: "42025" in desk.story(unlocked), timeout=20, what="the other controller's turn")
            assert not read_back(other, guid).locked_out
            assert "42025" not in desk.story(looked)
    finally:
        lab.replication(forest.name, paused=False)
        desk.close()


def test_a_new_service_password_is_taken_up_without_a_restart(
    two_controllers: Forest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("credentials") / "password"
    file.touch(mode=0o600)
    file.write_text("an old one")
    with served(two_controllers, password_file=str(file)) as reached:
        with pytest.raises(BindRefused):
            host(reached)
        file.write_text(two_controllers.service_password_file.read_text())
        assert host(reached) == "dc1"
