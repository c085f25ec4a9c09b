"""Domain controllers by DNS: the site's first, the PDC emulator among them, and clear words where there are none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.srv import Srv, srv

from keyback.directory import find_controllers
from keyback.directory.errors import Unreachable

DOMAIN = "corp.example.test"
ZONE = f"dc._msdcs.{DOMAIN}"

pytestmark = pytest.mark.lab


@pytest.fixture
def zone() -> Iterator[Srv]:
    with srv() as zone:
        zone.records = {
            f"_ldap._tcp.{ZONE}": ["0 100 389 dc1.corp.example.test.", "0 100 389 DC2.corp.example.test."],
            f"_ldap._tcp.paris._sites.{ZONE}": ["0 100 389 dc2.corp.example.test."],
            f"_ldap._tcp.pdc._msdcs.{DOMAIN}": ["0 100 389 dc1.corp.example.test."],
        }
        yield zone


def test_all_controllers_are_found_in_a_stable_order(zone: Srv) -> None:
    found = find_controllers(DOMAIN, name_servers=[zone.address])
    assert found.hosts == ("dc1.corp.example.test", "dc2.corp.example.test")
    assert found.near == set(found.hosts)


def test_those_of_the_site_come_first_and_are_told(zone: Srv) -> None:
    found = find_controllers(DOMAIN, "paris", [zone.address])
    assert found.hosts == ("dc2.corp.example.test", "dc1.corp.example.test")
    assert found.near == {"dc2.corp.example.test"}


def test_a_site_without_controllers_is_served_by_all(zone: Srv) -> None:
    found = find_controllers(DOMAIN, "nowhere", [zone.address])
    assert found.near == set(found.hosts) == {"dc1.corp.example.test", "dc2.corp.example.test"}


def test_priority_comes_before_weight(zone: Srv) -> None:
    zone.records[f"_ldap._tcp.{ZONE}"] = ["10 900 389 c.test.", "0 1 389 b.test.", "0 50 389 a.test."]
    assert find_controllers(DOMAIN, name_servers=[zone.address]).hosts[:3] == ("a.test", "b.test", "c.test")


def test_a_name_that_would_be_more_than_a_host_is_left_out(zone: Srv) -> None:
    zone.records[f"_ldap._tcp.{ZONE}"] = [r"0 1 389 dc1/evil\@elsewhere.test.", "0 1 389 dc3.corp.example.test."]
    found = find_controllers(DOMAIN, name_servers=[zone.address])
    assert found.hosts == ("dc3.corp.example.test", "dc1.corp.example.test")


def test_a_domain_without_controllers_is_named(zone: Srv) -> None:
    with pytest.raises(Unreachable, match=r"elsewhere\.test: DNS names no domain controller"):
        find_controllers("elsewhere.test", name_servers=[zone.address])


def test_a_name_server_that_says_nothing_is_given_up(zone: Srv) -> None:
    zone.silent = True
    with pytest.raises(Unreachable, match="DNS: LifetimeTimeout"):
        find_controllers(DOMAIN, name_servers=[zone.address], limit=0.2)
