"""The whole road on a telephone of 360 pixels, with a thumb."""

from collections.abc import Callable

from playwright.sync_api import Page, expect
from tests.browser.looking import accessible, fits, shoot
from tests.browser.walk import CHOOSE, CODE, DONE, IDENTIFY, PROVE, Walk
from tests.support.whole import Whole, fresh_password

from lab import api

TELEPHONE = {"viewport": {"width": 360, "height": 640}, "device_scale_factor": 2, "has_touch": True, "is_mobile": True}


def test_a_person_resets_their_password_on_a_small_screen(whole: Whole, visit: Callable[..., Walk]) -> None:
    person = whole.take()
    new = fresh_password()
    walk = visit(**TELEPHONE)
    page = walk.page
    walk.open()
    walk.at(IDENTIFY)
    fits(page)
    page.get_by_label("User ID").fill(whole.user_id(person))
    page.get_by_role("button", name="Continue").tap()
    walk.at(PROVE)
    fits(page)
    page.get_by_role("button", name="Get a code by e-mail").tap()
    walk.at(CODE)
    fits(page)
    assert page.locator("#code").get_attribute("inputmode") == "numeric"
    page.get_by_label("Code", exact=True).fill(walk.code_for(person))
    page.get_by_role("button", name="Continue").tap()
    walk.at(CHOOSE)
    fits(page)
    page.get_by_label("New password", exact=True).fill(new)
    page.get_by_label("The same password again").fill(new)
    page.get_by_role("button", name="Set my password").tap()
    walk.at(DONE)
    fits(page)
    assert api.kinit(whole.forest, person.account, new) is api.SignIn.OK


def test_the_longer_words_of_german_fit_too(whole: Whole, visit: Callable[..., Walk]) -> None:
    person = whole.take()
    walk = visit(locale="de-DE", **TELEPHONE)
    page = walk.page
    walk.open()
    expect(page.locator("html")).to_have_attribute("lang", "de")
    look_narrow(page, "61-identify-de")
    page.locator("#user_id").fill(whole.user_id(person))
    page.locator("#identify button[type=submit]").tap()
    page.locator("#method-email").wait_for()
    look_narrow(page, "62-prove-de")
    page.locator("#method-email").tap()
    page.locator("#code").fill(walk.code_for(person))
    look_narrow(page, "63-code-de")
    page.locator("#code").press("Enter")
    page.locator("#new-password").fill("kurz")
    page.locator("#choose button[type=submit]").tap()
    page.locator("#error-summary").wait_for()
    look_narrow(page, "64-choose-de")
    new = fresh_password()
    page.locator("#new-password").fill(new)
    page.locator("#new-password-again").fill(new)
    page.locator("#choose button[type=submit]").tap()
    expect(page).to_have_url("/recover/outcome", timeout=30_000)
    look_narrow(page, "65-done-de")
    # Not one sentence was left in English.
    assert "password" not in page.locator("main").inner_text().lower()


def look_narrow(page: Page, name: str) -> None:
    accessible(page)
    fits(page)
    shoot(page, name)
