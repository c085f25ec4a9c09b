"""`keyback limits`: numbers of an organization's own, and blocks seen and released."""

import pytest

from keyback.portal.audit.models import AuditEntry
from keyback.portal.limits.models import Counter
from keyback.portal.organizations.models import Organization
from keyback.portal.people.models import Person
from tests.portal.commands import Here
from tests.portal.recovery.conftest import cleo, clock, organization
from tests.portal.recovery.test_limits import fail_to_prove
from tests.portal.walk import Walker, newest_code

__all__ = ["cleo", "clock", "organization"]

HOME, CHOOSE = "192.0.2.10", "What should your new password be?"


def rows(here: Here, organization: Organization, *more: str) -> list[tuple[str, str]]:
    return sorted((row["limit"], row["about"]) for row in here.lines("limits", "list", organization.slug, *more))


def test_the_published_numbers_are_where_an_organization_begins(here: Here, organization: Organization) -> None:
    numbers = {
        row["name"]: (row["limit"], row["window"], row["block"])
        for row in here.lines("limits", "show", organization.slug)
    }
    assert numbers["phone_validations"] == (5, "1h", "1d")
    assert numbers["resets"] == (5, "1h", "1d")
    assert numbers["question_gates"] == (5, "1h", "1d")
    assert numbers["proof_failed"] == (5, "1d", "1d")
    assert numbers["mails_to_one_mailbox"] == (10, "10m", "the rest of it")
    for name in ("messages_to_one_number", "mails_by_one_client", "mails_for_one_organization", "codes_sent"):
        assert name in numbers


def test_an_organizations_own_numbers_hold_for_it_alone(here: Here, cleo: Person) -> None:
    slug = cleo.organization.slug
    assert here.ok("limits", "set", slug, "proof_failed", "--limit", "2", "--block", "30m") == (
        "proof_failed: 2 in 1d, then closed for 30m\n"
    )
    page = fail_to_prove(Walker(HOME), "cleo@example.test", times=3)
    assert page.status == 429
    assert int(page.response["Retry-After"]) <= 1800
    here.ok("limits", "set", slug, "proof_failed", "--usual")
    assert fail_to_prove(Walker("192.0.2.11"), "cleo@example.test", times=3).status == 422
    told = [entry.details for entry in AuditEntry.objects.filter(activity="limits.changed")]
    assert told == [
        {"name": "proof_failed", "limit": "2", "window": "86400", "block": "1800"},
        {"name": "proof_failed"},
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        ["proof_failed", "--limit", "0"],
        ["proof_failed", "--limit", "1000000"],
        ["proof_failed", "--window", "0s"],
        ["proof_failed", "--window", "9999d"],
        ["proof_failed", "--window", "soon"],
        ["pigeons", "--limit", "3"],
        ["proof_failed"],
        ["proof_failed", "--limit", "3", "--usual"],
    ],
)
def test_numbers_that_would_shut_everybody_out_are_refused(
    here: Here, organization: Organization, wrong: list[str]
) -> None:
    assert here("limits", "set", organization.slug, *wrong).returncode == 2
    organization.refresh_from_db()
    assert organization.limits == {}


def test_a_block_is_seen_by_name_and_released(here: Here, cleo: Person) -> None:
    slug = cleo.organization.slug
    walker = Walker(HOME)
    fail_to_prove(walker, "cleo@example.test")
    fail_to_prove(Walker(HOME), "nobody@example.test")
    seen = rows(here, cleo.organization)
    assert ("proof_failed", "cleo@example.test") in seen
    assert ("proof_failed", "") in seen  # of whom nobody knows
    assert rows(here, cleo.organization, "--person", "nobody@example.test") == [("proof_failed", "")] * 2
    page = walker.ask_for_code(walker.identify("cleo@example.test"))
    assert walker.type_code(page, newest_code()).status == 429
    here.ok("limits", "release", slug, "--person", "cleo@example.test")
    assert rows(here, cleo.organization, "--person", "cleo@example.test") == []
    assert walker.type_code(page, newest_code()).heading == CHOOSE
    [entry] = AuditEntry.objects.filter(activity="limits.released")
    assert "proof_failed" in str(entry.details["names"])
    assert len(rows(here, cleo.organization, "--person", "nobody@example.test")) == 2


def test_one_block_and_what_is_about_an_address_are_released(here: Here, organization: Organization) -> None:
    walker = Walker(HOME)
    here.ok("limits", "set", organization.slug, "recoveries_started", "--limit", "3")
    for number in range(4):
        walker.identify(f"user{number}@example.test")
    assert rows(here, organization, "--address", HOME) == [("recoveries_started", "")]
    [block] = here.lines("limits", "list", organization.slug, "--address", HOME)
    assert here.ok("limits", "release", organization.slug, "--id", str(block["id"])) == "1 counters are forgotten.\n"
    assert walker.identify("user99@example.test").status == 200
    here.ok("limits", "release", organization.slug, "--address", HOME)
    assert here("limits", "release", organization.slug).returncode == 2


def test_another_organizations_blocks_are_neither_seen_nor_released(
    here: Here, cleo: Person, organization: Organization
) -> None:
    from django.utils import timezone

    from keyback.portal.organizations import setup

    other = setup.create("Other Ltd", by="operator:test", now=timezone.now())
    fail_to_prove(Walker(HOME), "cleo@example.test")
    before = Counter.objects.count()
    assert rows(here, other) == []
    assert here("limits", "release", other.slug, "--person", "cleo@example.test").returncode == 2
    [block, *_] = here.lines("limits", "list", organization.slug)
    here.ok("limits", "release", other.slug, "--id", str(block["id"]))
    assert Counter.objects.count() == before


def test_counting_for_the_whole_account_is_a_profile(here: Here, cleo: Person) -> None:
    """As Microsoft does: then a stranger closes it for the person too."""
    here.ok("org", "set", cleo.organization.slug, "--count-per", "account")
    fail_to_prove(Walker("198.51.100.1"), "cleo@example.test", times=3)
    fail_to_prove(Walker("198.51.100.2"), "cleo@example.test", times=2)
    walker = Walker(HOME)
    page = walker.ask_for_code(walker.identify("cleo@example.test"))
    assert walker.type_code(page, newest_code()).status == 429
