"""Signing in with the directory's own password, and changing it, in a real browser, down to the domain controller."""

from collections.abc import Callable
from datetime import UTC, datetime

from playwright.sync_api import expect
from tests.browser.walk import CHOOSE, DONE, Walk
from tests.support.whole import Whole, fresh_password

from lab import api
from lab.people import INITIAL_PASSWORD, Kind


def sign_in(walk: Walk, user_id: str, password: str) -> None:
    walk.identify(user_id)
    walk.at("What is your password?")
    walk.page.get_by_label("Password", exact=True).fill(password)
    walk.click("Sign in")


def test_somebody_signs_in_and_changes_the_password_and_neither_is_in_any_request(
    whole: Whole, visit: Callable[..., Walk]
) -> None:
    person = whole.take()
    new = fresh_password()
    since = datetime.now(UTC)
    walk = visit()
    sent: list[str] = []
    walk.page.on("request", lambda request: sent.append(f"{request.url} {request.post_data or ''}"))

    walk.open("/sign-in")
    sign_in(walk, whole.user_id(person), "Not-The-Pa55word")
    expect(walk.page.get_by_text("not right").first).to_be_visible(timeout=30_000)
    walk.open("/sign-in")
    sign_in(walk, whole.user_id(person), INITIAL_PASSWORD)
    walk.at("Your account")

    walk.open("/account/password")
    walk.page.get_by_role("main").get_by_role("button").first.click()
    walk.at(CHOOSE)
    walk.page.get_by_label("Current password", exact=True).fill(INITIAL_PASSWORD)
    walk.choose_password(new)
    walk.at(DONE)

    assert api.kinit(whole.forest, person.account, new) is api.SignIn.OK
    assert api.kinit(whole.forest, person.account, INITIAL_PASSWORD) is api.SignIn.WRONG_PASSWORD
    writes = [(write.action, write.succeeded) for write in whole.resets_of(person, since)]
    assert writes == [("Change", True)]
    code = walk.support_code
    whole.wait_for_event(code, "31007")
    assert [event["id"] for event in whole.events(code)] == ["31006", "31007"]
    assert not any(password in request for request in sent for password in (INITIAL_PASSWORD, new))


def test_whoever_must_change_a_temporary_password_does_so_at_the_sign_in(
    whole: Whole, visit: Callable[..., Walk]
) -> None:
    person = whole.new_person(Kind.MUST_CHANGE)
    new = fresh_password()
    walk = visit()
    walk.open("/sign-in")
    sign_in(walk, whole.user_id(person), INITIAL_PASSWORD)
    walk.at("Your password has to be changed")
    walk.page.get_by_role("main").get_by_role("button").first.click()
    walk.at(CHOOSE)
    walk.page.get_by_label("Current password", exact=True).fill(INITIAL_PASSWORD)
    walk.choose_password(new)
    walk.at(DONE)
    assert api.kinit(whole.forest, person.account, new) is api.SignIn.OK
