"""A domain is verified by a record that only who writes its zone can publish."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from keyback.portal.audit.models import AuditEntry
from keyback.portal.organizations import setup
from keyback.portal.organizations.dns import NoAnswer, system_servers, txt_records
from keyback.portal.organizations.models import Domain, Organization
from tests.portal.commands import Here
from tests.support.nameserver import Zone, zone
from tests.support.ports import free_port


@pytest.fixture
def dns() -> Iterator[Zone]:
    with zone() as running:
        yield running


@pytest.fixture
def added(here: Here, organization: Organization) -> tuple[str, str]:
    """second.test, added; name and text of its record, as they were printed."""
    said = here.ok("domain", "add", "example-ltd", "second.test")
    found = re.search(r'^(\S+)\. TXT "(keyback-domain=[0-9a-f]{32})"$', said, re.MULTILINE)
    assert found is not None, said
    return found.group(1), found.group(2)


def verified(name: str = "second.test") -> bool:
    return Domain.objects.get(name=name).verified_at is not None


def test_the_printed_record_verifies_the_domain(here: Here, dns: Zone, added: tuple[str, str]) -> None:
    name, text = added
    assert name == "_keyback.second.test"
    dns.records[name] = ["v=spf1 -all", text]
    here.ok("domain", "verify", "example-ltd", "second.test", "--server", dns.address)
    assert verified()
    assert dns.asked == [name]
    assert AuditEntry.objects.filter(activity="domain.verified").latest("id").details["how"] == "dns"


def test_without_the_record_it_says_which_one_is_wanted(here: Here, dns: Zone, added: tuple[str, str]) -> None:
    _, text = added
    said = here.refused("domain", "verify", "example-ltd", "second.test", "--server", dns.address)
    assert text in said
    assert not verified()


def test_another_organizations_record_verifies_nothing(here: Here, dns: Zone, added: tuple[str, str]) -> None:
    name, _ = added
    here.ok("org", "create", "Other Ltd", "--slug", "other")
    other = Domain(organization=Organization.objects.get(slug="other"), name="second.test")
    dns.records[name] = [setup.domain_record(other)[1]]
    assert "other records" in here.refused("domain", "verify", "example-ltd", "second.test", "--server", dns.address)
    assert not verified()


def test_a_long_text_comes_in_pieces(dns: Zone) -> None:
    dns.records["long.test"] = ["x" * 700, "short", ""]
    assert txt_records("long.test", [("127.0.0.1", dns.port)]) == ["x" * 700, "short", ""]
    assert txt_records("none.test", [("127.0.0.1", dns.port)]) == []


@pytest.mark.parametrize("raw", [b"", b"\0" * 12, b"\xff" * 64, b"\0\0\x81\x80\0\1\0\1\0\0\0\0\xc0"])
def test_an_answer_that_cannot_be_read_is_no_answer(dns: Zone, raw: bytes) -> None:
    dns.raw = raw
    with pytest.raises(NoAnswer):
        txt_records("second.test", [("127.0.0.1", dns.port)])


def test_the_next_server_is_asked_when_one_is_silent(dns: Zone) -> None:
    dns.records["second.test"] = ["here"]
    assert txt_records("second.test", [("127.0.0.1", free_port()), ("127.0.0.1", dns.port)]) == ["here"]
    with pytest.raises(NoAnswer, match="no name server is known"):
        txt_records("second.test", [])


def test_a_server_that_is_down_is_one_line(here: Here, added: tuple[str, str]) -> None:
    said = here.refused("domain", "verify", "example-ltd", "second.test", "--server", f"127.0.0.1:{free_port()}")
    assert "cannot be read" in said
    for wrong in ("", "dns.example.test", "127.0.0.1:x", "127.0.0.1:99999"):
        here.refused("domain", "verify", "example-ltd", "second.test", "--server", wrong or " ")


def test_this_machines_name_servers_are_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text("# comment\nsearch example.test\nnameserver 192.0.2.53\nnameserver 2001:db8::53\nnameserver\n")
    assert system_servers(file) == [("192.0.2.53", 53), ("2001:db8::53", 53)]
    assert system_servers(tmp_path / "none") == []
