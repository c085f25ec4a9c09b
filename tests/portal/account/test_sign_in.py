"""Signing in with a password that the portal keeps."""

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from keyback.portal.audit.models import AuditEntry
from keyback.portal.people.cloud import set_password
from keyback.portal.people.models import Person
from tests.portal.account.conftest import Clock
from tests.portal.account.signing import name, sign_in, type_password
from tests.portal.recovery.conftest import OLD_PASSWORD
from tests.portal.walk import Walker


def test_user_id_and_password_lead_home(cleo: Person, walker: Walker) -> None:
    page = name(walker, "cleo@example.test")
    assert page.heading == "What is your password?"
    assert "cleo@example.test" in page.text
    page = type_password(walker, page, OLD_PASSWORD)
    assert page.heading == "Your account"
    assert "Cleo Cloud" in page.text
    entry = AuditEntry.objects.get(activity="account.signed_in")
    assert entry.details == {"kind": "cloud"}


def test_a_wrong_password_is_told_and_nobody_is_signed_in(cleo: Person, walker: Walker) -> None:
    page = sign_in(walker, "cleo@example.test", "wrong")
    assert page.status == 422
    assert "The user ID or the password is not right." in page.text
    assert walker.get("/account").heading == "Sign in"
    assert AuditEntry.objects.filter(activity="account.sign_in_failed", result="failure").count() == 1


def test_an_empty_password_is_no_try(cleo: Person, walker: Walker) -> None:
    assert "Enter your password." in sign_in(walker, "cleo@example.test", "").text
    assert not AuditEntry.objects.filter(activity__startswith="account.").exists()


def test_whoever_is_not_signed_in_comes_back_to_the_page_they_wanted(cleo: Person, walker: Walker) -> None:
    page = walker.get("/account", follow=False)
    assert (page.status, page.response["Location"]) == (303, "/sign-in?next=%2Faccount")
    page = sign_in(walker, "cleo@example.test", path="/sign-in?next=/account")
    assert page.response.redirect_chain[-1][0] == "/account"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.test/account",
        "//evil.test/account",
        "/\\evil.test",
        "\\\\evil.test",
        "/account\r\nLocation: https://evil.test",
        "javascript:alert(1)",
        "/sign-out",
        "/recover/",
        "/account/../sign-out",
        "/static/keyback/keyback.css",
        "account",
        "",
    ],
)
def test_nobody_is_led_elsewhere(cleo: Person, walker: Walker, elsewhere: str) -> None:
    page = walker.get("/sign-in")
    fields = page.forms["/sign-in"] | {"user_id": "cleo@example.test", "next": elsewhere}
    page = walker.post("/sign-in", fields)
    if page.status == 400:
        return  # controls are in no field
    page = walker.post("/sign-in/password", page.forms["/sign-in/password"] | {"password": OLD_PASSWORD}, follow=False)
    assert page.response["Location"] == "/account"


def test_the_session_id_is_new_and_a_planted_one_is_worth_nothing(cleo: Person, walker: Walker) -> None:
    page = name(walker, "cleo@example.test")
    before = walker.client.cookies["keyback"].value
    type_password(walker, page, OLD_PASSWORD)
    assert walker.client.cookies["keyback"].value != before
    thief = Walker()
    thief.client.cookies["keyback"] = before
    assert thief.get("/account").heading == "Sign in"


def test_signing_out_ends_the_session_for_who_stole_it_too(cleo: Person, walker: Walker) -> None:
    page = sign_in(walker, "cleo@example.test")
    stolen = walker.client.cookies["keyback"].value
    assert walker.get("/sign-out").status == 405
    assert walker.post("/sign-out", page.forms["/sign-out"]).heading == "You are signed out"
    thief = Walker()
    thief.client.cookies["keyback"] = stolen
    assert thief.get("/account").heading == "Sign in"


def test_after_an_hour_the_password_is_asked_for_again(cleo: Person, walker: Walker, clock: Clock) -> None:
    sign_in(walker, "cleo@example.test")
    clock.forward(minutes=59)
    assert walker.get("/account").heading == "Your account"
    clock.forward(minutes=1)
    assert walker.get("/account").heading == "Sign in"


def test_a_new_password_ends_every_session_of_the_old_one(cleo: Person, walker: Walker) -> None:
    sign_in(walker, "cleo@example.test")
    set_password(cleo, "Winter-ist-kalt-7", timezone.now())
    assert walker.get("/account").heading == "Sign in"


def test_whoever_is_disabled_is_signed_out(cleo: Person, walker: Walker) -> None:
    sign_in(walker, "cleo@example.test")
    Person.objects.filter(pk=cleo.pk).update(enabled=False)
    assert walker.get("/account").heading == "Sign in"


def test_a_session_row_pasted_into_another_browser_signs_nobody_in(cleo: Person, walker: Walker) -> None:
    sign_in(walker, "cleo@example.test")
    mine = Session.objects.get()
    thief = Walker()
    name(thief, "cleo@example.test")
    Session.objects.exclude(pk=mine.pk).update(session_data=mine.session_data)
    assert thief.get("/account").heading == "Sign in"


def test_forgot_my_password_brings_the_user_id_along_and_not_in_the_address(cleo: Person, walker: Walker) -> None:
    page = name(walker, "cleo@example.test")
    page = walker.post("/sign-in/forgot", page.forms["/sign-in/forgot"])
    assert page.response.redirect_chain == [("/recover/", 302)]  # type: ignore[attr-defined]
    assert page.forms["/recover/"]["user_id"] == "cleo@example.test"
    assert "cleo" not in str(Session.objects.get().get_decoded())


def test_the_pages_refuse_what_no_form_of_theirs_sends(cleo: Person, walker: Walker) -> None:
    page = name(walker, "cleo@example.test")
    form = page.forms["/sign-in/password"]
    for bent in (
        form | {"password": "x", "extra": "1"},
        form | {"password": "x" * 1025},
        form | {"password": "\0"},
    ):
        assert walker.post("/sign-in/password", bent).status == 400
    del form["password"]
    assert walker.post("/sign-in/password", form).status == 400
    assert walker.post("/sign-in/password", {"password": OLD_PASSWORD}).status == 403  # no CSRF token


def test_the_last_page_of_a_recovery_leads_to_signing_in_with_the_new_password(cleo: Person, walker: Walker) -> None:
    page, new = walker.prove("cleo@example.test"), "Winter-ist-kalt-7"
    fields = page.forms["/recover/password/plain"] | {"new_password": new, "new_password_again": new}
    page = walker.post("/recover/password/plain", fields)
    assert page.heading == "Your password is changed"
    assert "/sign-in" in page.links
    assert sign_in(walker, "cleo@example.test", new).heading == "Your account"
