"""What is on file: seen, added, changed, removed, one of it offered first, and said to be still right."""

from datetime import timedelta

import pytest
from django.utils import timezone

from keyback.portal.audit.models import AuditEntry
from keyback.portal.organizations.models import Organization
from keyback.portal.people.contacts import add_mail, mails_of
from keyback.portal.people.models import ContactDatum, Person, Policy
from tests.portal.account.conftest import Clock
from tests.portal.account.signing import sign_in
from tests.portal.account.test_two_steps import prove
from tests.portal.walk import Page, Walker, mails, newest_code

LIST = "How can you prove that it is you?"


@pytest.fixture
def bare(cleo: Person) -> Person:
    """Nothing is on file for her."""
    ContactDatum.objects.all().delete()
    return cleo


def proved(walker: Walker) -> None:
    """Signed in, and the mailbox on file proved."""
    sign_in(walker, "cleo@example.test")
    page = walker.get("/account/prove")
    prove(walker, walker.post("/account/prove", page.forms["/account/prove"]))


def type_address(walker: Walker, address: str, path: str = "/security-info/email/") -> Page:
    page = walker.get(path)
    form = page.forms["/security-info/email/"]
    return walker.post("/security-info/email/", form | {"email": address})


def type_code(walker: Walker, page: Page, code: str) -> Page:
    return walker.post("/security-info/email/code", page.forms["/security-info/email/code"] | {"code": code})


def test_the_list_shows_what_is_on_file_half_hidden(cleo: Person, walker: Walker) -> None:
    sign_in(walker, "cleo@example.test")
    page = walker.get("/security-info")
    assert page.heading == LIST
    assert "c••••@p••••.test" in page.text
    assert "cleo@private.test" not in page.text
    assert "/security-info/email/" in page.links


def test_an_address_is_on_file_once_its_code_came_back(cleo: Person, walker: Walker) -> None:
    proved(walker)
    page = type_address(walker, "new@else.test")
    assert page.heading == "Which code did you get?"
    assert mails()[-1]["to"] == "new@else.test"
    assert "putting this address on file" in mails()[-1]["text"]
    assert [address for _row, address in mails_of(cleo)] == ["cleo@private.test"]
    assert type_code(walker, page, "0000 0000").status == 422
    page = type_code(walker, page, newest_code())
    assert page.heading == "It is on file"
    assert "From now on" in page.text
    assert [address for _row, address in mails_of(cleo)] == ["cleo@private.test", "new@else.test"]
    entry = AuditEntry.objects.get(activity="person.contact_added", actor="self")
    assert entry.details["origin"] == "registered"
    assert {mail["to"] for mail in mails()[-2:]} == {"cleo@private.test", "new@else.test"}


def test_a_password_alone_adds_nothing_where_something_is_on_file(cleo: Person, walker: Walker) -> None:
    sign_in(walker, "cleo@example.test")
    page = walker.get("/security-info/email/")
    assert page.heading == "Show once more that it is you"
    page = walker.post("/account/prove", page.forms["/account/prove"])
    page = prove(walker, page)
    assert page.heading == "What is your e-mail address?"


def test_the_first_one_on_a_password_alone_opens_no_gate_for_a_day(bare: Person, walker: Walker, clock: Clock) -> None:
    sign_in(walker, "cleo@example.test")
    page = type_code(walker, type_address(walker, "new@else.test"), newest_code())
    assert "It can be used only from" in walker.get("/security-info").text
    assert "only from tomorrow" in page.text
    thief = Walker("192.0.2.9")
    thief.ask_for_code(thief.identify("cleo@example.test"))
    assert "getting back into your account" not in mails()[-1]["text"] or mails()[-1]["to"] == "nobody@invalid"
    clock.forward(hours=25)
    walker.ask_for_code(walker.identify("cleo@example.test"))
    assert mails()[-1]["to"] == "new@else.test"


def test_a_code_for_one_address_puts_no_other_on_file(cleo: Person, walker: Walker) -> None:
    proved(walker)
    type_address(walker, "mine@else.test")
    code = newest_code()
    page = type_address(walker, "victim@else.test")
    assert type_code(walker, page, code).status == 422
    assert len(mails_of(cleo)) == 1


def test_a_code_has_five_tries_and_five_minutes(cleo: Person, walker: Walker, clock: Clock) -> None:
    proved(walker)
    page = type_address(walker, "new@else.test")
    for _ in range(5):
        type_code(walker, page, "0000 0000")
    assert type_code(walker, page, newest_code()).status == 422
    page = type_address(walker, "new@else.test")
    clock.forward(minutes=6)
    assert type_code(walker, page, newest_code()).status == 422
    assert len(mails_of(cleo)) == 1


def test_strangers_mailboxes_are_not_drowned(cleo: Person, walker: Walker) -> None:
    proved(walker)
    for number in range(10):
        assert type_address(walker, f"n{number}@else.test").status == 200
    assert type_address(walker, "n10@else.test").status == 429


@pytest.mark.parametrize("address", ["", "x", "cleo@example.test", "CLEO@EXAMPLE.TEST", "a@b\r\nc", "ä@else.test"])
def test_what_would_not_help_is_not_taken(cleo: Person, walker: Walker, address: str) -> None:
    """Also the mailbox that opens with the forgotten password."""
    proved(walker)
    assert type_address(walker, address).status in (400, 422)


def test_an_address_is_changed_in_one_go(cleo: Person, walker: Walker) -> None:
    row = add_mail(cleo, "old@else.test", origin="registered", by="self", now=timezone.now())
    proved(walker)
    page = walker.get("/security-info")
    assert f"/security-info/email/?replaces={row.id}" in page.links
    page = type_address(walker, "new@else.test", f"/security-info/email/?replaces={row.id}")
    type_code(walker, page, newest_code())
    assert [address for _row, address in mails_of(cleo)] == ["cleo@private.test", "new@else.test"]
    activities = AuditEntry.objects.filter(actor="self").values_list("activity", flat=True)
    assert {"person.contact_added", "person.contact_removed"} <= set(activities)


def test_what_is_removed_is_gone_with_audit_and_mail(cleo: Person, walker: Walker) -> None:
    row = add_mail(cleo, "old@else.test", origin="registered", by="self", now=timezone.now())
    proved(walker)
    path = f"/security-info/{row.id}/remove"
    page = walker.get(path)
    assert page.heading == "Remove this for good?"
    assert walker.post(path, page.forms[path]).heading == LIST
    assert not ContactDatum.objects.filter(id=row.id).exists()
    assert AuditEntry.objects.filter(activity="person.contact_removed", actor="self").count() == 1
    assert "was removed" in mails()[-1]["text"]
    assert walker.post(path, page.forms[path]).status == 404


def test_a_password_alone_removes_nothing(cleo: Person, walker: Walker) -> None:
    row = add_mail(cleo, "old@else.test", origin="registered", by="self", now=timezone.now())
    page = sign_in(walker, "cleo@example.test")
    token = page.forms["/sign-out"]["csrfmiddlewaretoken"]
    page = walker.post(f"/security-info/{row.id}/remove", {"csrfmiddlewaretoken": token})
    assert page.heading == "Show once more that it is you"
    walker.post("/security-info/default", {"csrfmiddlewaretoken": token, "method": "email"})
    assert ContactDatum.objects.filter(id=row.id).exists()
    assert not AuditEntry.objects.filter(activity="security_info.default_set").exists()


def test_nobody_removes_what_is_another_s_or_the_organization_s(cleo: Person, ada: Person, walker: Walker) -> None:
    foreign = add_mail(ada, "ada@else.test", origin="registered", by="self", now=timezone.now())
    own = ContactDatum.objects.get(person=cleo)
    proved(walker)
    for row in (foreign, own):
        assert walker.get(f"/security-info/{row.id}/remove").status == 404
        page = walker.get(f"/security-info/email/?replaces={row.id}")
        assert page.forms["/security-info/email/"]["replaces"] == ""
    assert ContactDatum.objects.count() == 3


def test_one_way_is_offered_first(cleo: Person, walker: Walker) -> None:
    add_mail(cleo, "old@else.test", origin="registered", by="self", now=timezone.now())
    proved(walker)
    page = walker.get("/security-info")
    form = page.forms["/security-info/default"]
    assert "offered first" in walker.post("/security-info/default", form).text
    assert walker.post("/security-info/default", form | {"method": "sms"}).status == 404


def test_it_refuses_like_a_recovery(cleo: Person, walker: Walker) -> None:
    sign_in(walker, "cleo@example.test")
    Organization.objects.update(reset_scope="none")
    assert "SSPR_0009" in walker.get("/security-info").text
    Organization.objects.update(reset_scope="all")
    Policy.objects.all().delete()
    assert "SSPR_0011" in walker.get("/security-info").text


def test_whoever_has_too_little_on_file_is_asked_at_sign_in_and_may_put_it_off(bare: Person, walker: Walker) -> None:
    page = sign_in(walker, "cleo@example.test", path="/sign-in?next=/security-info")
    assert page.heading == "How could you get back in?"
    assert "/security-info/email/" in page.links
    assert "/security-info" in page.links  # not now


def test_whoever_has_enough_is_not_asked_nor_where_the_policy_says_so(bare: Person, walker: Walker) -> None:
    Policy.objects.update(register_at_sign_in=False)
    assert sign_in(walker, "cleo@example.test").heading == "Your account"


def test_after_half_a_year_people_are_asked_if_it_is_still_right(cleo: Person, walker: Walker, clock: Clock) -> None:
    clock.forward(days=181)
    page = sign_in(walker, "cleo@example.test")
    assert page.heading == "Is this still right?"
    assert "c••••@p••••.test" in page.text
    page = walker.post("/security-info/asked", page.forms["/security-info/asked"])
    assert page.heading == "Your account"
    assert AuditEntry.objects.filter(activity="security_info.confirmed").count() == 1
    assert sign_in(Walker(), "cleo@example.test").heading == "Your account"
    clock.forward(days=181)
    assert sign_in(Walker(), "cleo@example.test").heading == "Is this still right?"


def test_an_address_that_is_waiting_counts_as_registered(bare: Person, walker: Walker) -> None:
    later = timezone.now() + timedelta(hours=24)
    add_mail(bare, "new@else.test", origin="registered", by="self", now=timezone.now(), opens_from=later)
    assert sign_in(walker, "cleo@example.test").heading == "Your account"
