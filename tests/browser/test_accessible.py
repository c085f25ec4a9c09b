"""axe finds nothing on any page, also not on those of errors and refusals: light and dark, wide and narrow."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from playwright.sync_api import expect
from tests.browser.looking import look
from tests.browser.walk import CHOOSE, CODE, IDENTIFY, PROVE, Walk
from tests.support.whole import Whole, fresh_password

from lab.people import Kind

Visit = Callable[..., Walk]


@contextmanager
def stopped(whole: Whole) -> Iterator[None]:
    """The agent holds its breath, so that the waiting page stays."""
    os.kill(whole.agent.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(whole.agent.pid, signal.SIGCONT)


@contextmanager
def setting(whole: Whole, name: str, value: object) -> Iterator[None]:
    """A column of the organization's row."""
    ((before,),) = whole.sql(f"SELECT {name} FROM organizations_organization")  # noqa: S608 - a name from this file
    change = f"UPDATE organizations_organization SET {name} = ?"  # noqa: S608
    whole.sql(change, value)
    try:
        yield
    finally:
        whole.sql(change, before)


def put_into(whole: Whole, walk: Walk, **columns: object) -> None:
    """Bends the row of this browser's recovery, and shows where it then is."""
    names = ", ".join(f"{name} = ?" for name in columns)
    recovery = UUID(walk.support_code).hex
    whole.sql(f"UPDATE recovery_recovery SET {names} WHERE id = ?", *columns.values(), recovery)  # noqa: S608
    walk.open("/recover/outcome")


def test_the_pages_of_a_recovery(whole: Whole, visit: Visit) -> None:
    person = whole.take()
    walk = visit()
    walk.open()
    walk.at(IDENTIFY)
    expect(walk.page.locator("#work-status")).to_have_class("status done")
    look(walk.page, "01-identify")
    walk.identify(whole.user_id(person))
    walk.at(PROVE)
    look(walk.page, "02-prove")
    walk.choose_email()
    walk.at(CODE)
    walk.page.locator("#no-code").wait_for(timeout=15_000)
    look(walk.page, "03-code")
    with stopped(whole):
        walk.enter_code(walk.code_for(person))
        walk.at("We are looking at your account")
        look(walk.page, "04-inspect")
    walk.at(CHOOSE)
    look(walk.page, "05-choose")
    walk.page.get_by_role("button", name="Show").click()
    with stopped(whole):
        walk.choose_password(fresh_password())
        walk.at("Your new password is being set")
        look(walk.page, "06-write")
    walk.at("Your password is changed")
    look(walk.page, "07-done")
    walk.to_prove(person)
    look(walk.page, "08-prove-known-device")


def test_the_same_pages_after_a_mistake(whole: Whole, visit: Visit) -> None:
    person = whole.take()
    walk = visit()
    walk.open()
    walk.page.get_by_label("User ID").fill("   ")
    walk.click("Continue")
    walk.page.locator("#error-summary").wait_for()
    look(walk.page, "11-identify-error")
    walk.to_code(person)
    walk.enter_code("0000 0000")
    walk.page.locator("#error-summary").wait_for()
    look(walk.page, "12-code-error")
    walk.enter_code(walk.code_for(person))
    walk.at(CHOOSE)
    walk.choose_password("short")
    look(walk.page, "13-choose-unmet")
    # A password of before passes every rule that a page can judge.
    walk.choose_password(person.password or "")
    walk.page.locator("#error-summary").wait_for()
    look(walk.page, "14-choose-refused")


def test_the_pages_for_a_browser_without_javascript(whole: Whole, visit: Visit) -> None:
    person = whole.take()
    walk = visit()
    walk.open("/recover/characters")
    look(walk.page, "21-characters")
    walk.page.get_by_label("User ID").fill(whole.user_id(person))
    walk.page.get_by_label("Characters", exact=True).fill("XXXXXX")
    walk.click("Continue")
    walk.page.locator("#error-summary").wait_for()
    look(walk.page, "22-characters-error")
    walk.to_choose(person)
    walk.open("/recover/password/plain")
    look(walk.page, "23-plain")
    walk.choose_password("short")
    walk.page.locator("#error-summary").wait_for()
    look(walk.page, "24-plain-error")
    with setting(whole, "allow_plain_page", False):
        walk.open("/recover/password/plain")
        walk.at("Please switch on JavaScript")
        look(walk.page, "25-needs-javascript")


def test_the_pages_of_refusals(whole: Whole, visit: Visit) -> None:
    person = whole.new_person(Kind.ADMIN_COUNT)
    walk = visit()
    walk.to_code(person)
    walk.enter_code(walk.code_for(person))
    walk.at("Please contact your administrator")
    look(walk.page, "31-refused")
    walk.page.get_by_role("link", name="Contact your administrator").first.click()
    walk.at("Contact your administrator")
    look(walk.page, "32-contact")
    for name in ("User ID", "How can they reach you?", "What happened?"):
        walk.page.get_by_label(name).fill("grace@example.test")
    walk.page.get_by_role("button", name="Send").click()
    walk.at("Your message is on its way")
    look(walk.page, "34-contact-sent")
    walk.open("/recover/outcome")
    walk.page.get_by_role("link", name="What this means, and what helps").click()
    walk.at("Help")
    look(walk.page, "35-help")
    with setting(whole, "reset_scope", "none"):
        walk.open()
        walk.identify(whole.user_id(person))
        walk.at("Your account is not enabled for password reset")
        look(walk.page, "33-not-enabled")


RARE_ENDS: list[tuple[str, str, dict[str, object]]] = [
    ("41-unsure", "We don't know whether your password was changed", {"state": "unsure"}),
    ("43-unreachable", "This is not possible at the moment", {"state": "refused", "refusal": "SSPR_0030"}),
    (
        "44-too-young",
        "Your password was changed too recently",
        {
            "refusal": "too_young",
            "findings": '[{"code": "too_young", "params": {"possible_from": "2026-12-24T18:00:00+00:00"}}]',
        },
    ),
    ("45-superseded", "Somebody else changed your password at the same time", {"refusal": "superseded"}),
    ("46-expired", "Your 15 minutes are over", {"state": "choose", "ends_at": "2026-01-01 00:00:00"}),
]


def test_the_pages_of_rare_ends(whole: Whole, visit: Visit) -> None:
    walk = visit()
    walk.to_choose(whole.take())
    for name, title, columns in RARE_ENDS:
        put_into(whole, walk, **columns)
        walk.at(title)
        look(walk.page, name)


def test_the_pages_of_what_went_wrong(whole: Whole, visit: Visit) -> None:
    walk = visit()
    walk.open("/nowhere")
    walk.at("There is no such page")
    look(walk.page, "51-not-found")

    walk.to_code(whole.take())
    other = Walk(walk.page.context.new_page(), whole)
    other.to_code(whole.take())
    walk.enter_code("0000 0000")
    walk.at("This step is over")
    look(walk.page, "52-step-over")

    walk.to_code(whole.take())
    walk.page.context.clear_cookies()
    walk.enter_code("0000 0000")
    walk.at("Please load the page again")
    look(walk.page, "53-no-cookies")

    walk.to_code(whole.take())
    for _ in range(5):
        walk.enter_code("0000 0000")
        walk.page.locator("#error-summary").wait_for()
    walk.enter_code("0000 0000")
    walk.at("There were too many tries")
    look(walk.page, "54-blocked")
