"""Contact your administrator: a form that mails those who look after accounts, or the organization's own link."""

import re
from collections.abc import Callable

import pytest

from keyback.portal.audit.models import AuditEntry
from keyback.portal.messages.models import Message
from keyback.portal.organizations import setup
from keyback.portal.organizations.models import Organization
from keyback.portal.people.models import Person
from tests.portal.recovery.conftest import ada, agent, cleo, make_ada, organization, walker
from tests.portal.walk import Page, Walker, mails

__all__ = ["ada", "agent", "cleo", "make_ada", "organization", "walker"]

TYPED = {"user_id": "Cleo@Example.test", "reach": "+44 1632 960001", "words": "I lost my telephone"}
SENT = "Your message is on its way"


@pytest.fixture
def desk(organization: Organization) -> None:
    setup.add_administrator(organization, "Ivo", "ivo@example.test")
    setup.add_administrator(organization, "Hilde", "hilde@example.test", role="helpdesk", language="de")
    setup.add_administrator(organization, "Helga", "helga@example.test", role="helpdesk")
    setup.add_administrator(organization, "Audi", "audi@example.test", role="auditor")


def ask(walker: Walker, **typed: str) -> Page:
    page = walker.get("/contact")
    return walker.post("/contact", page.forms["/contact"] | TYPED | typed)


def helgas() -> str:
    """The English one, of those that were sent at one moment."""
    return [mail["text"] for mail in mails() if mail["to"] == "helga@example.test"][-1]


def test_it_goes_to_the_helpdesk_with_what_was_typed_and_what_was_proved(
    cleo: Person, walker: Walker, desk: None
) -> None:
    walker.identify("cleo@example.test")
    assert ask(walker).heading == SENT
    german, english = sorted(mails(), key=lambda mail: mail["to"], reverse=True)
    assert (english["to"], german["to"]) == ("helga@example.test", "hilde@example.test")
    for text in ("cleo@example.test", "+44 1632 960001", "I lost my telephone", str(walker.recovery().id)):
        assert text in english["text"]
    assert "They have proved nothing so far." in english["text"]
    [entry] = AuditEntry.objects.filter(activity="contact_form.sent")
    assert entry.details == {"recipients": 2}
    assert entry.tracking_id == walker.recovery().id


def test_who_opened_a_gate_is_named_by_the_account(cleo: Person, walker: Walker, desk: None) -> None:
    walker.prove("cleo@example.test")
    ask(walker, user_id="somebody@else.test")
    assert "for the account cleo@example.test" in helgas()


def test_without_a_helpdesk_it_goes_to_the_administrators(
    cleo: Person, walker: Walker, organization: Organization
) -> None:
    setup.add_administrator(organization, "Ivo", "ivo@example.test")
    walker.identify("cleo@example.test")
    ask(walker)
    assert mails()[-1]["to"] == "ivo@example.test"


def test_at_most_a_hundred_get_it(cleo: Person, walker: Walker, organization: Organization) -> None:
    for number in range(105):
        setup.add_administrator(organization, "x", f"x{number}@example.test", role="helpdesk")
    walker.identify("cleo@example.test")
    ask(walker)
    assert Message.objects.filter(kind="contact_form").count() == 100


def test_it_works_where_reset_is_off(walker: Walker, organization: Organization, desk: None) -> None:
    Organization.objects.update(reset_scope="none")
    refused = walker.identify("anybody@example.test")
    page = walker.get("/contact")
    assert page.response["Keyback-Tracking-Id"] == refused.response["Keyback-Tracking-Id"]
    assert ask(walker).heading == SENT
    assert "The page told them SSPR_0009." in helgas()


def test_a_browser_that_was_not_checked_to_be_human_gets_no_form(walker: Walker, desk: None) -> None:
    page = walker.get("/contact")
    assert "/contact" not in page.forms
    assert "/recover/" in page.links
    token = walker.get("/recover/").forms["/recover/"]["csrfmiddlewaretoken"]
    walker.post("/contact", {"csrfmiddlewaretoken": token, **TYPED})
    assert not Message.objects.exists()


def test_an_organizations_own_link_takes_the_place_of_the_form(
    cleo: Person, walker: Walker, organization: Organization, desk: None
) -> None:
    Organization.objects.update(contact_url="https://help.example.test/")
    walker.identify("cleo@example.test")
    page = walker.get("/contact")
    assert "/contact" not in page.forms
    assert "https://help.example.test/" in page.links


def test_where_nobody_can_be_reached_there_is_no_form(cleo: Person, walker: Walker) -> None:
    walker.identify("cleo@example.test")
    assert "/contact" not in walker.get("/contact").forms


def test_the_fourth_in_an_hour_from_one_place_is_refused(cleo: Person, walker: Walker, desk: None) -> None:
    walker.identify("cleo@example.test")
    assert [ask(walker, user_id=f"u{number}@example.test").status for number in range(4)] == [200, 200, 200, 429]


def test_one_organization_gets_thirty_an_hour_and_a_known_browser_one_more(
    make_known: Callable[[], Walker], cleo: Person, desk: None
) -> None:
    known = make_known()
    for number in range(10):
        stranger = Walker(f"198.51.100.{number + 1}")
        stranger.identify("nobody@example.test")
        assert [ask(stranger, user_id=f"u{number}-{i}@example.test").status for i in range(3)] == [200] * 3
    last = Walker("198.51.100.99")
    last.identify("nobody@example.test")
    assert ask(last).status == 429
    known.identify("cleo@example.test")
    assert ask(known).heading == SENT


@pytest.fixture
def make_known(cleo: Person) -> Callable[[], Walker]:
    def make() -> Walker:
        walker = Walker("192.0.2.10")
        page = walker.prove("cleo@example.test")
        new = {"new_password": "Winter-ist-kalt-7", "new_password_again": "Winter-ist-kalt-7"}
        walker.post("/recover/password/plain", page.forms["/recover/password/plain"] | new)
        return walker

    return make


def test_known_and_unknown_are_answered_alike(cleo: Person, desk: None) -> None:
    def walked(user_id: str) -> str:
        walker = Walker(f"198.51.100.{len(user_id)}")
        walker.identify(user_id)
        page = ask(walker, user_id=user_id)
        return re.sub(r"[0-9a-f-]{36}", "", page.text)

    assert walked("cleo@example.test") == walked("nobody@example.test")
    texts = [re.sub(r"[0-9a-f-]{36}", "", mail["text"]) for mail in mails() if mail["to"] == "helga@example.test"]
    assert texts[0].replace("cleo@", "nobody@") == texts[1]


@pytest.mark.parametrize("field", ["user_id", "reach", "words"])
@pytest.mark.parametrize("text", ["a\nBcc: x@y.test", "a\r\nSubject: x", "a\x00", "x" * 1000])
def test_no_header_can_be_smuggled_in(cleo: Person, walker: Walker, desk: None, field: str, text: str) -> None:
    walker.identify("cleo@example.test")
    assert ask(walker, **{field: text}).status == 400
    assert not Message.objects.filter(kind="contact_form").exists()


def test_what_is_wrong_is_told_and_nothing_typed_is_lost(cleo: Person, walker: Walker, desk: None) -> None:
    walker.identify("cleo@example.test")
    page = ask(walker, user_id="  ")
    assert page.status == 422
    assert "Enter your user ID." in page.text
    assert page.forms["/contact"]["words"] == TYPED["words"]
