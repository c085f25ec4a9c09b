"""What has no page yet: organizations, domains, agents, people and policies from the command line."""

from datetime import datetime

import pytest

from keyback.portal.agents.models import Agent
from keyback.portal.audit.models import AuditEntry
from keyback.portal.organizations.models import Domain, Organization
from keyback.portal.organizations.setup import administrators
from keyback.portal.people.cloud import verify_password
from keyback.portal.people.contacts import mails_of
from keyback.portal.people.models import Person, Policy
from tests.portal.agents import confirmed_agent, pending_agent
from tests.portal.commands import Here

PASSWORD = "Kanarienvogel-singt-4711"


@pytest.fixture
def example(here: Here) -> Organization:
    """As an operator makes it."""
    here.ok("org", "create", "Example Ltd", "--slug", "example", "--admin-mail", "olga@example.test")
    here.ok("domain", "add", "example", "example.test")
    here.ok("domain", "verify", "example", "example.test", "--by-operator")
    return Organization.objects.get()


# --- organizations and domains


def test_an_organization_can_reset_from_the_first_day(here: Here, example: Organization) -> None:
    assert (example.name, example.slug, example.is_default) == ("Example Ltd", "example", True)
    assert [address for _, address in administrators(example)] == ["olga@example.test"]
    assert Policy.objects.get().methods == ["email"]
    [row] = here.lines("org", "list")
    assert (row["slug"], row["domains"], row["people"]) == ("example", 1, 0)


def test_a_short_name_is_made_from_the_name(here: Here) -> None:
    here.ok("org", "create", "Müller & Söhne")
    assert Organization.objects.get().slug == "muller-sohne"


@pytest.mark.parametrize(
    "arguments", [["Example Ltd", "--slug", "example"], [""], ["x" * 101], ["New", "--slug", "Not Good"], ["\x1b[2J"]]
)
def test_an_organization_that_cannot_be_is_refused(here: Here, example: Organization, arguments: list[str]) -> None:
    here.refused("org", "create", *arguments)
    assert Organization.objects.count() == 1


def test_a_malformed_address_makes_no_organization(here: Here) -> None:
    assert "is not a mail address" in here.refused("org", "create", "Example", "--admin-mail", "olga")
    assert not Organization.objects.exists()


def test_settings_change_and_are_audited(here: Here, example: Organization) -> None:
    here.ok("org", "set", "example", "--reset", "none", "--explain", "--accent", "#005a9c", "--no-plain-page")
    example.refresh_from_db()
    assert (example.reset_scope, example.explain_to_person, example.accent) == ("none", True, "#005a9c")
    assert not example.allow_plain_page
    assert AuditEntry.objects.get(activity="organization.changed").details["explain_to_person"] == "True"


@pytest.mark.parametrize(
    "option",
    [
        ["--accent", "red"],
        ["--accent", "#12345g"],
        ["--contact-url", "javascript:alert(1)"],
        ["--contact-url", "https://x y"],
        ["--reset", "some"],
        [],
    ],
)
def test_a_setting_that_cannot_be_is_refused(here: Here, example: Organization, option: list[str]) -> None:
    here.refused("org", "set", "example", *option)
    before = (example.accent, example.contact_url, example.reset_scope)
    example.refresh_from_db()
    assert (example.accent, example.contact_url, example.reset_scope) == before


def test_an_unknown_organization_is_told_with_those_that_there_are(here: Here, example: Organization) -> None:
    assert "there are: example" in here.refused("domain", "list", "exmaple")


def test_a_domain_counts_only_when_somebody_vouches_for_it(here: Here, example: Organization) -> None:
    here.ok("domain", "add", "example", "Second.EXAMPLE.test")
    assert Domain.objects.get(name="second.example.test").verified_at is None
    here.ok("domain", "verify", "example", "second.example.test", "--by-operator")
    here.ok("domain", "verify", "example", "second.example.test", "--by-operator")
    rows = {row["domain"]: row["verified"] for row in here.lines("domain", "list", "example")}
    assert rows == {"example.test": True, "second.example.test": True}
    assert AuditEntry.objects.filter(activity="domain.verified").count() == 2


def test_a_domain_that_was_not_added_cannot_be_verified(here: Here, example: Organization) -> None:
    assert "keyback domain add" in here.refused("domain", "verify", "example", "other.test", "--by-operator")


# --- agents


def test_a_code_is_the_last_word_that_is_printed(here: Here, example: Organization) -> None:
    code = here.ok("agent-code", "create", "example").split()[-1]
    assert len(code.replace("-", "")) == 20


def test_an_agent_is_confirmed_by_its_fingerprint_only(here: Here, example: Organization, now: datetime) -> None:
    agent = pending_agent(example, now=now).row
    other = "0000 1111 2222 3333 4444 5555 6666 7777"
    assert "not the fingerprint" in here.refused("agents", "confirm", "example", "dc-room", "--fingerprint", other)
    agent.refresh_from_db()
    assert agent.state == "pending"
    here.ok("agents", "confirm", "example", "dc-room", "--fingerprint", f" {agent.fingerprint.upper()} ")
    agent.refresh_from_db()
    assert agent.state == "confirmed"
    assert agent.confirmed_by.startswith("operator:")
    assert "waits" in here.refused("agents", "confirm", "example", "dc-room", "--fingerprint", agent.fingerprint)


def test_of_two_pending_agents_of_one_name_the_fingerprint_chooses(
    here: Here, example: Organization, now: datetime
) -> None:
    one, two = pending_agent(example, now=now).row, pending_agent(example, now=now).row
    here.ok("agents", "confirm", "example", "dc-room", "--fingerprint", two.fingerprint)
    states = dict(Agent.objects.values_list("pk", "state"))
    assert states == {one.pk: "pending", two.pk: "confirmed"}


def test_an_agent_of_another_organization_is_out_of_reach(here: Here, example: Organization, now: datetime) -> None:
    here.ok("org", "create", "Other Ltd", "--slug", "other")
    agent = confirmed_agent(example, now=now).row
    here.refused("agents", "revoke", "other", "dc-room")
    here.refused("agents", "revoke", "other", str(agent.pk))
    agent.refresh_from_db()
    assert agent.state == "confirmed"


def test_a_revoked_agent_stays_listed(here: Here, example: Organization, now: datetime) -> None:
    agent = confirmed_agent(example, "corp.example.test", now=now).row
    here.ok("agents", "revoke", "example", str(agent.pk))
    [row] = here.lines("agents", "list", "example")
    assert (row["name"], row["state"], row["forests"]) == ("dc-room", "revoked", "corp.example.test")
    assert "pending or confirmed" in here.refused("agents", "revoke", "example", "dc-room")


# --- people and policies


def test_a_cloud_person_gets_a_password_from_standard_input(here: Here, example: Organization) -> None:
    arguments = ["person", "add", "example", "Ada@example.test", "--name", "Ada Lovelace", "--mail", "ada@mail.test"]
    said = here.ok(*arguments, "--password-stdin", input=f"{PASSWORD}\n")
    assert PASSWORD not in said
    ada = Person.objects.get()
    assert (ada.user_id, ada.source, ada.display_name) == ("ada@example.test", "cloud", "Ada Lovelace")
    assert verify_password(ada, PASSWORD)
    assert [address for _, address in mails_of(ada)] == ["ada@mail.test"]


@pytest.mark.parametrize(
    ("arguments", "typed", "said"),
    [
        (["ada@example.test", "--password-stdin"], "short\n", "Use at least 8 characters"),
        (["ada@example.test", "--password-stdin"], "", "the password is empty"),
        (["ada@other.test"], "", "is not a verified domain"),
        (["ada"], "", "is not a verified domain"),
        (["ada@example.test", "--mail", "nowhere"], "", "is not a mail address"),
    ],
)
def test_a_person_who_cannot_be_is_not_there_at_all(
    here: Here, example: Organization, arguments: list[str], typed: str, said: str
) -> None:
    assert said in here.refused("person", "add", "example", *arguments, input=typed)
    assert not Person.objects.exists()


def test_a_person_is_listed_and_shown(here: Here, example: Organization) -> None:
    here.ok("person", "add", "example", "ada@example.test")
    here.ok("person", "mail", "ada@example.test", "second@mail.test")
    [row] = here.lines("person", "list", "example")
    assert (row["user_id"], row["source"], row["enabled"]) == ("ada@example.test", "cloud", True)
    [shown] = here.lines("person", "show", "ADA@example.test")
    assert shown["mail"] == ["second@mail.test (operator)"]
    assert "second@mail.test" in here.ok("person", "show", "ada@example.test")
    assert "nobody" in here.refused("person", "show", "nobody@example.test")
    assert "is not a mail address" in here.refused("person", "mail", "ada@example.test", "x")


def test_a_policy_changes_what_is_given_and_nothing_else(here: Here, example: Organization) -> None:
    here.ok("policy", "set", "example", "--no-reset")
    [shown] = here.lines("policy", "show", "example")
    assert (shown["name"], shown["groups"], shown["reset"], shown["unlock"]) == ("Everybody", "all", False, True)
    assert (shown["methods"], shown["gates"]) == (["email"], 1)
    here.ok("policy", "set", "example", "--reset", "--method", "email")
    assert Policy.objects.get().reset
    assert AuditEntry.objects.filter(activity="policy.changed").count() == 2


def test_a_method_that_is_not_there_is_refused_with_those_that_are(here: Here, example: Organization) -> None:
    said = here.refused("policy", "set", "example", "--method", "pigeon")
    assert "there are: " in said
    assert "call_mobile, call_office, email" in said


# --- audit and mail


def test_the_audit_is_listed_sealed_and_verified(here: Here, example: Organization) -> None:
    rows = here.lines("audit", "list", "example")
    assert [row["activity"] for row in rows] == [
        "organization.created",
        "administrator.added",
        "domain.added",
        "domain.verified",
    ]
    assert all(row["actor"].startswith("operator:") for row in rows)
    assert set(rows[0]) >= {"activity", "result", "actor", "details", "time", "tracking_id"}
    assert "4 entries sealed" in here.ok("audit", "seal")
    assert "whole" in here.ok("audit", "verify", "example")
    assert len(here.lines("audit", "list", "example", "--last", "1")) == 1
    AuditEntry.objects.filter(activity="domain.added").update(result="refused")
    broken = here("audit", "verify", "example")
    assert broken.returncode == 1
    assert "NOT whole" in broken.stdout


def test_the_audit_of_one_operation(here: Here, example: Organization) -> None:
    entry = AuditEntry.objects.latest("id")
    entry.tracking_id = "11111111-2222-3333-4444-555555555555"
    entry.save()
    [row] = here.lines("audit", "list", "example", "--tracking-id", str(entry.tracking_id))
    assert row["tracking_id"] == str(entry.tracking_id)
    here.refused("audit", "list", "example", "--tracking-id", "not-an-id")


def test_mail_is_listed_without_addresses_and_texts(here: Here, example: Organization, now: datetime) -> None:
    pending_agent(example, now=now)
    [row] = here.lines("messages", "list", "example")
    assert (row["kind"], row["state"]) == ("agent_onboarded", "queued")
    assert "olga" not in here.ok("messages", "list", "example") + str(row)
    assert here.lines("messages", "list", "example", "--state", "dead") == []
