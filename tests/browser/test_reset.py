"""The whole road: from the first page to the last, and what everybody else saw of it."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

from playwright.sync_api import expect
from tests.browser.walk import CHOOSE, CODE, DONE, IDENTIFY, PROVE, Walk
from tests.support.smtp import text_of
from tests.support.whole import Whole, fresh_password

from lab import api
from lab.people import INITIAL_PASSWORD


def test_a_person_resets_a_forgotten_password_from_the_first_page_to_the_last(
    whole: Whole, visit: Callable[..., Walk]
) -> None:
    person = whole.take()
    new = fresh_password()
    since = datetime.now(UTC)
    assert api.kinit(whole.forest, person.account, INITIAL_PASSWORD) is api.SignIn.OK

    walk = visit()
    walk.open("/")
    walk.at(IDENTIFY)
    walk.identify(whole.user_id(person))
    walk.at(PROVE)
    walk.choose_email()
    walk.at(CODE)
    walk.enter_code(walk.code_for(person))
    walk.at(CHOOSE)
    walk.choose_password(new)
    walk.at(DONE)

    # The directory: the new password works, the old one does not, and there was one write, by the service account.
    assert api.kinit(whole.forest, person.account, new) is api.SignIn.OK
    assert api.kinit(whole.forest, person.account, INITIAL_PASSWORD) is api.SignIn.WRONG_PASSWORD
    (write,) = whole.resets_of(person, since)
    assert (write.action, write.succeeded, write.by_service) == ("Reset", True, True)

    # The person is told by mail; page, mail, audit and the agent's events name the same operation.
    support_code = walk.support_code
    told = whole.mail.wait_for(to=person.mail_address, after=1)
    assert "was changed" in told["Subject"]
    assert support_code in text_of(told)
    assert new not in told.as_string()
    whole.wait_for_event(support_code, "31002")
    assert [event["id"] for event in whole.events(support_code)] == ["31001", "31002"]
    results = {(entry["activity"], entry["result"]) for entry in whole.audit_entries(support_code)}
    assert {("recovery.started", "success"), ("password.reset", "success")} <= results


def test_a_password_that_breaks_a_rule_is_not_sent_and_one_typed_differently_neither(
    whole: Whole, visit: Callable[..., Walk]
) -> None:
    person = whole.take()
    walk = visit()
    walk.to_choose(person)
    sent: list[str] = []
    walk.page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)

    walk.choose_password("short")
    summary = walk.page.locator("#error-summary")
    assert "does not meet the rules" in summary.inner_text()
    password = fresh_password()
    walk.choose_password(password, again=f"{password}x")
    assert "not the same" in summary.inner_text()
    assert sent == []

    walk.choose_password(password)
    walk.at(DONE)
    assert api.kinit(whole.forest, person.account, password) is api.SignIn.OK


def test_a_password_that_is_easy_to_guess_is_told_plainly_and_another_one_is_taken(
    whole: Whole, visit: Callable[..., Walk]
) -> None:
    person = whole.take()
    walk = visit()
    walk.to_choose(person)
    walk.choose_password("P@ssw0rd-2026")
    expect(walk.page).to_have_title(re.compile("Error: "))
    summary = walk.page.locator("#error-summary")
    expect(summary).to_contain_text("This password is too easy to guess. Choose another one.")
    expect(summary).to_be_focused()
    assert "p@ssw" not in walk.page.content().lower()  # neither the password, nor the word in it
    assert api.kinit(whole.forest, person.account, INITIAL_PASSWORD) is api.SignIn.OK
    password = fresh_password()
    walk.choose_password(password)
    walk.at(DONE)
    assert api.kinit(whole.forest, person.account, password) is api.SignIn.OK


def test_the_same_browser_sees_where_the_code_goes_the_next_time(whole: Whole, visit: Callable[..., Walk]) -> None:
    person = whole.take()
    walk = visit()
    walk.to_prove(person)
    assert walk.page.locator(".choice-mask").count() == 0
    walk.to_done(person, fresh_password())

    walk.to_prove(person)
    mask = walk.page.locator(".choice-mask").inner_text()
    assert mask.startswith(person.mail_address[0])
    assert person.mail_address not in mask

    stranger = visit()
    stranger.to_prove(person)
    assert stranger.page.locator(".choice-mask").count() == 0


def test_a_step_taken_in_one_tab_cannot_be_taken_again_in_another(whole: Whole, visit: Callable[..., Walk]) -> None:
    person = whole.take()
    walk = visit()
    walk.to_choose(person)
    other = Walk(walk.page.context.new_page(), whole)
    other.open("/recover/password")
    other.at(CHOOSE)

    walk.choose_password(fresh_password())
    walk.at(DONE)
    other.choose_password(fresh_password())
    expect(other.page.locator("#error-summary")).to_contain_text("This step is over")
    assert len([write for write in whole.resets_of(person) if write.by_service]) == 1


def test_going_back_after_the_end_finds_nothing_to_do_again(whole: Whole, visit: Callable[..., Walk]) -> None:
    person = whole.take()
    walk = visit()
    walk.to_done(person, fresh_password())
    for _ in range(3):
        walk.page.go_back()
        # No page is kept: each is asked for anew, and leads to where the recovery is.
        expect(walk.page.get_by_role("heading", level=1)).to_have_text(re.compile(f"{DONE}|Who are you"))
    assert len([write for write in whole.resets_of(person) if write.by_service]) == 1
