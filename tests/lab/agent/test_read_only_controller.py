"""A real read-only controller: known as such, read from, and never written to, found by DNS or listed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from tests.lab.agent.desk import Desk
from tests.lab.agent.test_controllers import served
from tests.lab.directory.conftest import server_of
from tests.support.srv import srv

import lab
from keyback.agent.checks.servers import check_server
from keyback.directory import DirectoryServer, connect
from keyback.protocol.messages import Operation
from keyback.protocol.outcomes import OutcomeCode
from lab import Forest, api
from lab.testing import fresh_forest

pytestmark = pytest.mark.lab

NEW = "Wholly-New-Pa55word"


@pytest.fixture(scope="module")
def branch() -> Iterator[Forest]:
    """dc1, and in a branch office dc2, which is read-only."""
    with fresh_forest("branch") as fresh:
        yield lab.replica(fresh.name, read_only=True)


def test_it_is_told_apart_and_the_check_says_so(branch: Forest) -> None:
    with connect(server_of(branch)) as writable, connect(_second(branch)) as copy:
        assert (writable.root.read_only, copy.root.read_only) == (False, True)
    with served(branch) as reached:
        section = check_server(reached.config, _second(branch), now=lambda: datetime.now(UTC))
    assert "read-only" in next(one.text for one in section.findings if one.code == "directory.read_only")


def test_it_is_read_from_and_never_written_to_though_it_is_listed_or_found_first(branch: Forest) -> None:
    with served(branch) as reached, reached.nearest() as reading, reached.connection() as writing:
        assert (_name(reading.root.dns_host_name), _name(writing.root.dns_host_name)) == ("dc2", "dc1")
    one, two = (f"0 100 389 {each.ip}." for each in branch.controllers)
    with srv() as zone:
        zone.records = {
            f"_ldap._tcp.dc._msdcs.{branch.dns_domain}": [one, two],
            f"_ldap._tcp.branch._sites.dc._msdcs.{branch.dns_domain}": [two],
        }
        by_dns = {"servers": [], "name_servers": [zone.address], "site": "branch"}
        with served(branch, **by_dns) as reached, reached.nearest() as reading, reached.connection() as writing:
            assert (_name(reading.root.dns_host_name), _name(writing.root.dns_host_name)) == ("dc2", "dc1")


def test_alone_it_writes_nothing_and_the_event_says_why(branch: Forest, tmp_path: Path) -> None:
    desk = Desk(branch, tmp_path / "desk")
    desk.close()
    desk.start(servers=[_second(branch).url])  # type: ignore[arg-type]  # as in TOML
    try:
        version = api.password_version(branch, "grace")
        guid = UUID(bytes_le=api.get_attributes(branch, "grace", "objectGUID")["objectGUID"][0])
        for order in (
            desk.order(guid, Operation.INSPECT),
            desk.order(guid, Operation.RESET, NEW, unlock=True),
            desk.order(guid, Operation.UNLOCK),
        ):
            assert desk.do(order).code is OutcomeCode.UNREACHABLE
            told = json.dumps([event.to_dict() for event in desk.events(order)])
            assert "it is a read-only controller, and no other answers" in told
        assert not desk.intents
        assert api.password_version(branch, "grace") == version
    finally:
        desk.close()


def _second(branch: Forest) -> DirectoryServer:
    return replace(server_of(branch), url=f"ldaps://{branch.controllers[1].ip}")


def _name(host: str) -> str:
    return host.split(".", maxsplit=1)[0]
