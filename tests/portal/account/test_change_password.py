"""Changing one's own password, with the current one: kept by the portal, or in the directory."""

from keyback.portal.audit.models import AuditEntry
from keyback.portal.organizations.models import Organization
from keyback.portal.people.cloud import verify_password
from keyback.portal.people.models import Person, Policy
from tests.portal.account.conftest import Clock
from tests.portal.account.signing import sign_in
from tests.portal.recovery.conftest import OLD_PASSWORD
from tests.portal.walk import Page, Walker, mails

NEW = "Winter-ist-kalt-7"
CHANGE = "/account/password"
PLAIN = "/recover/password/plain"


def begin(walker: Walker) -> Page:
    page = walker.get(CHANGE)
    return walker.post(CHANGE, page.forms[CHANGE])


def choose(walker: Walker, page: Page, new: str = NEW, current: str = OLD_PASSWORD) -> Page:
    typed = {"current_password": current, "new_password": new, "new_password_again": new}
    return walker.post(PLAIN, page.forms[PLAIN] | typed)


def test_the_new_password_takes_the_place_of_the_current_one(cleo: Person, walker: Walker) -> None:
    sign_in(walker, "cleo@example.test")
    page = begin(walker)
    assert page.heading == "What should your new password be?"
    page = choose(walker, page)
    assert page.heading == "Your password is changed"
    assert verify_password(cleo, NEW) and not verify_password(cleo, OLD_PASSWORD)
    assert "was changed" in mails()[-1]["subject"]
    assert AuditEntry.objects.filter(activity="password.changed", result="success").count() == 1
    assert not AuditEntry.objects.filter(activity="password.reset").exists()


def test_this_browser_stays_signed_in_and_every_other_is_signed_out(cleo: Person, walker: Walker) -> None:
    other = Walker("192.0.2.2")
    sign_in(other, "cleo@example.test")
    sign_in(walker, "cleo@example.test")
    choose(walker, begin(walker))
    assert walker.get("/account").heading == "Your account"
    assert other.get("/account").heading == "Sign in"


def test_the_last_page_renews_no_session_that_a_later_password_ended(cleo: Person, walker: Walker) -> None:
    sign_in(walker, "cleo@example.test")
    choose(walker, begin(walker))
    other = Walker("192.0.2.2")
    sign_in(other, "cleo@example.test", NEW)
    choose(other, begin(other), "Herbst-ist-bunt-8", NEW)
    assert walker.get("/recover/outcome").heading == "Your password is changed"
    assert walker.get("/account").heading == "Sign in"


def test_the_last_page_prolongs_no_session(cleo: Person, walker: Walker, clock: Clock) -> None:
    sign_in(walker, "cleo@example.test")
    choose(walker, begin(walker))
    for _ in range(4):
        clock.forward(minutes=16)
        walker.get("/recover/outcome")
    assert walker.get("/account").heading == "Sign in"


def test_a_wrong_current_password_is_told_at_its_field_and_counts_as_a_try(cleo: Person, walker: Walker) -> None:
    sign_in(walker, "cleo@example.test")
    page = begin(walker)
    for _ in range(10):
        page = choose(walker, page, current="wrong")
        assert "This is not your current password." in page.text
        assert "#current-password" in page.links
    assert choose(walker, page).status == 429
    assert verify_password(cleo, OLD_PASSWORD)


def test_a_broken_rule_is_told_and_nothing_is_changed(cleo: Person, walker: Walker) -> None:
    sign_in(walker, "cleo@example.test")
    page = begin(walker)
    assert "Use at least 8 characters." in choose(walker, page, "Kurz-1").text
    assert "Enter your current password." in choose(walker, page, current="").text
    assert verify_password(cleo, OLD_PASSWORD)
    assert choose(walker, walker.get(PLAIN)).heading == "Your password is changed"


def test_a_banned_word_is_told_plainly(cleo: Person, walker: Walker) -> None:
    sign_in(walker, "cleo@example.test")
    page = choose(walker, begin(walker), "Passw0rd!")
    assert "This password is too easy to guess. Choose another one." in page.text
    assert verify_password(cleo, OLD_PASSWORD)


def test_where_the_policy_says_no_it_is_said(cleo: Person, walker: Walker) -> None:
    sign_in(walker, "cleo@example.test")
    form = walker.get(CHANGE).forms[CHANGE]
    Policy.objects.update(change=False)
    assert walker.get(CHANGE).heading == "Passwords are not changed here"
    assert walker.post(CHANGE, form).status == 403


def test_nobody_begins_without_being_signed_in(cleo: Person, walker: Walker) -> None:
    sign_in(walker, "cleo@example.test")
    form = walker.get(CHANGE).forms[CHANGE]
    walker.post("/sign-out", walker.get("/account").forms["/sign-out"])
    stranger = walker.post(CHANGE, walker.get("/sign-in").forms["/sign-in"] | {"next": ""})
    assert stranger.heading == "Sign in"
    assert form
    assert walker.get(PLAIN).heading == "Who are you?"


def test_the_page_of_a_recovery_asks_for_no_current_password_and_takes_none(cleo: Person, walker: Walker) -> None:
    page = walker.prove("cleo@example.test")
    assert "Current password" not in page.text
    assert choose(walker, page).status == 400


def test_the_current_password_is_no_new_one(cleo: Person, walker: Walker) -> None:
    sign_in(walker, "cleo@example.test")
    page = choose(walker, begin(walker), OLD_PASSWORD)
    assert "You have used this password before." in page.text
    assert "to differ from your last 5 passwords" in page.text


def test_an_expired_password_is_changed_before_anything_else(cleo: Person, walker: Walker, clock: Clock) -> None:
    Organization.objects.update(cloud_max_age_days=90)
    clock.forward(days=91)
    page = sign_in(walker, "cleo@example.test")
    assert page.heading == "Your password has to be changed"
    assert walker.get("/account").heading == "Your password has to be changed"
    assert choose(walker, begin(walker)).heading == "Your password is changed"
    assert walker.get("/account").heading == "Your account"
