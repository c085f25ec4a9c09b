"""It was not me: a page in the mail about every change, whose button stops everything for a day."""

import re

import pytest

from keyback.portal.audit.models import AuditEntry
from keyback.portal.organizations.models import Organization
from keyback.portal.organizations.setup import add_administrator
from keyback.portal.people.cloud import verify_password
from keyback.portal.people.models import Person
from tests.portal.account.conftest import Clock
from tests.portal.account.signing import sign_in
from tests.portal.account.test_change_password import CHANGE, begin, choose
from tests.portal.recovery.test_cloud_person import NEW
from tests.portal.recovery.test_cloud_person import choose as choose_new
from tests.portal.walk import Walker, mails


@pytest.fixture
def link(cleo: Person) -> str:
    """Of a reset, made from somewhere, by somebody."""
    thief = Walker("198.51.100.7")
    thief.prove("cleo@example.test")
    choose_new(thief, NEW)
    mail = mails()[-1]
    assert mail["to"] == "cleo@private.test"
    assert "It was done from the address 198.51.100.7." in mail["text"]
    found = re.search(r"http://127\.0\.0\.1:8080(/not-me/\S+)", mail["text"])
    assert found is not None
    return found[1]


def press(walker: Walker, link: str) -> str:
    page = walker.get(link)
    assert page.heading == "Was it not you?"
    return walker.post(link, page.forms[link]).heading


def test_opening_the_page_does_nothing(link: str, walker: Walker) -> None:
    assert walker.get(link).heading == "Was it not you?"
    assert not AuditEntry.objects.filter(activity="account.held").exists()


def test_the_button_stops_resets_for_a_day_and_tells_the_administrators(
    link: str, cleo: Person, organization: Organization, walker: Walker, clock: Clock
) -> None:
    add_administrator(organization, "boss", "boss@example.test", language="en")
    assert press(walker, link) == "We have stopped it"
    assert mails()[-1]["to"] == "boss@example.test"
    assert "it was not me" in mails()[-1]["subject"]
    assert AuditEntry.objects.filter(activity="account.held", result="success").count() == 1
    thief = Walker("198.51.100.7")
    assert thief.prove("cleo@example.test").heading == "Your account is protected at the moment"
    clock.forward(hours=25)
    assert Walker().prove("cleo@example.test").heading == "What should your new password be?"


def test_whoever_is_signed_in_is_signed_out_and_can_change_nothing(link: str, cleo: Person, walker: Walker) -> None:
    thief = Walker("198.51.100.7")
    sign_in(thief, "cleo@example.test", NEW)
    assert thief.get("/account").heading == "Your account"
    press(walker, link)
    assert thief.get("/account").heading == "Sign in"
    sign_in(thief, "cleo@example.test", NEW)
    for path in (CHANGE, "/security-info", "/security-info/email/"):
        assert thief.get(path).heading == "Your account is protected at the moment"
    assert verify_password(cleo, NEW)


def test_a_walk_that_was_under_way_ends_there(link: str, cleo: Person, walker: Walker) -> None:
    thief = Walker("198.51.100.7")
    sign_in(thief, "cleo@example.test", NEW)
    page = begin(thief)
    other = Walker("198.51.100.8")
    other.prove("cleo@example.test")
    press(walker, link)
    assert choose(thief, page, "Herbst-ist-bunt-8", NEW).status == 409
    assert thief.get("/recover/outcome").heading == "Your account is protected at the moment"
    assert other.get("/recover/password/plain").heading == "Your account is protected at the moment"
    assert verify_password(cleo, NEW)


def test_pressed_again_it_tells_nobody_again(link: str, organization: Organization, walker: Walker) -> None:
    add_administrator(organization, "boss", "boss@example.test", language="en")
    press(walker, link)
    before = len(mails())
    press(walker, link)
    assert len(mails()) == before


def test_a_bent_or_an_old_link_is_none(link: str, cleo: Person, walker: Walker, clock: Clock) -> None:
    last = link[-1]
    assert walker.get(link[:-1] + ("0" if last != "0" else "1")).status == 404
    assert walker.get(link.replace(link.split("/")[2], "00000000-0000-0000-0000-000000000000")).status == 404
    clock.forward(days=8)
    assert walker.get(link).status == 404
