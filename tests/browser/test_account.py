"""The account of somebody whose password is in the directory, in a real Chromium: signing in, security info, changing
the password, and what is done when it was somebody else. Every page is looked at."""

import re
from collections.abc import Callable

from playwright.sync_api import expect
from tests.browser.looking import look
from tests.browser.test_accessible import stopped
from tests.browser.walk import CHOOSE, CODE, DONE, PROVE, Walk
from tests.support.person import codes_to
from tests.support.smtp import text_of
from tests.support.waiting import wait_until
from tests.support.whole import Whole, fresh_password

from lab import api
from lab.people import INITIAL_PASSWORD, Person

Visit = Callable[..., Walk]
LIST = "How can you prove that it is you?"
SIGNED_IN = "Your account"


def sign_in(walk: Walk, user_id: str, password: str) -> None:
    walk.open("/sign-in")
    walk.identify(user_id)
    walk.at("What is your password?")
    walk.page.get_by_label("Password", exact=True).fill(password)
    walk.click("Sign in")


def test_signing_in_and_changing_the_password(whole: Whole, visit: Visit) -> None:
    person, new = whole.take(), fresh_password()
    walk = visit()
    walk.open("/sign-in")
    look(walk.page, "61-sign-in")
    walk.identify(whole.user_id(person))
    walk.at("What is your password?")
    look(walk.page, "62-password")
    walk.open("/sign-in/password/plain")
    look(walk.page, "62-password-plain")
    walk.open("/sign-in/password")
    with stopped(whole):
        walk.page.get_by_label("Password", exact=True).fill("wrong")
        walk.click("Sign in")
        walk.at("We are asking your directory")
        look(walk.page, "63-asking")
    walk.page.locator("#error-summary").wait_for()
    look(walk.page, "64-wrong")
    sign_in(walk, whole.user_id(person), INITIAL_PASSWORD)
    walk.at(SIGNED_IN)
    look(walk.page, "65-home")

    walk.page.get_by_role("link", name="Change my password").click()
    walk.at("Change my password")
    look(walk.page, "66-change")
    walk.click("Continue")
    walk.at(CHOOSE)
    look(walk.page, "67-choose")
    walk.page.get_by_label("Current password").fill(INITIAL_PASSWORD)
    walk.choose_password(new)
    walk.at(DONE)
    look(walk.page, "68-changed")
    assert api.kinit(whole.forest, person.account, new) is api.SignIn.OK
    walk.page.get_by_role("link", name="Back to your account").click()
    walk.at(SIGNED_IN)
    walk.click("Sign out")
    walk.at("You are signed out")
    look(walk.page, "69-signed-out")

    walk.open(not_me_link(whole, person))
    walk.at("Was it not you?")
    look(walk.page, "70-not-me")
    walk.click("It was not me")
    walk.at("We have stopped it")
    look(walk.page, "71-held")
    sign_in(walk, whole.user_id(person), new)
    walk.at(SIGNED_IN)
    walk.open("/security-info")
    walk.at("Your account is protected at the moment")
    look(walk.page, "72-protected")


def not_me_link(whole: Whole, person: Person) -> str:
    def found() -> str | None:
        texts = [text_of(message) for message in whole.mail.to(person.mail_address)]
        links = [match[0] for text in texts if (match := re.search(r"/not-me/\S+", text))]
        return links[-1] if links else None

    return wait_until(found, what="the mail about the change")


def test_security_info(whole: Whole, visit: Visit) -> None:
    person = whole.take()
    walk = visit()
    sign_in(walk, whole.user_id(person), INITIAL_PASSWORD)
    walk.at(SIGNED_IN)
    walk.page.get_by_role("link", name="Security info").click()
    walk.at(LIST)
    walk.page.locator("#add-email").click()
    walk.at("Show once more that it is you")
    look(walk.page, "73-show-once-more")
    walk.click("Continue")
    walk.at(PROVE)
    look(walk.page, "74-prove-signed-in")
    walk.choose_email()
    walk.at(CODE)
    walk.enter_code(walk.code_for(person))
    walk.at("What is your e-mail address?")
    look(walk.page, "75-address")
    address = f"{person.account}@elsewhere.test"
    walk.page.get_by_label("E-mail address").fill(address)
    walk.click("Continue")
    walk.at(CODE)
    look(walk.page, "76-address-code")
    walk.enter_code(wait_until(lambda: codes_to(whole.mail, address), what="the code")[-1])
    walk.at("It is on file")
    look(walk.page, "77-on-file")
    walk.open("/security-info")
    walk.at(LIST)
    look(walk.page, "78-list")
    walk.page.get_by_role("link", name="Remove").click()
    walk.at("Remove this for good?")
    look(walk.page, "79-remove")
    walk.click("Remove")
    walk.at(LIST)
    expect(walk.page.get_by_role("link", name="Remove")).to_have_count(0)


def test_unlocking_first_passwords_and_sign_in_screens(whole: Whole, visit: Visit) -> None:
    person = whole.take()
    walk = visit(permissions=["clipboard-read", "clipboard-write"])
    walk.to_prove(person)
    walk.click("I know my password, but I cannot sign in")
    walk.at(PROVE)
    look(walk.page, "81-prove-unlock")
    walk.page.locator("#copy-details").click()
    copied = walk.page.evaluate("() => navigator.clipboard.readText()")
    assert walk.support_code in copied and whole.user_id(person) in copied
    walk.choose_email()
    walk.at(CODE)
    walk.enter_code(walk.code_for(person))
    walk.at("Your account is not locked")
    look(walk.page, "82-not-locked")
    walk.open("/recover/first")
    look(walk.page, "83-first")
    walk.open("/recover/?screen=kiosk")
    look(walk.page, "84-kiosk")
    walk.page.evaluate("() => sessionStorage.setItem('user-id', 'somebody')")
    walk.page.locator("#screen-over").click()
    walk.page.wait_for_load_state()
    assert walk.page.evaluate("() => sessionStorage.length") == 0


def test_signing_in_and_changing_the_password_without_javascript(whole: Whole, visit: Visit) -> None:
    person, new = whole.take(), fresh_password()
    walk = visit(java_script_enabled=False)
    walk.open("/sign-in")
    walk.identify(whole.user_id(person))
    walk.page.get_by_role("link", name="Sign in without JavaScript").click()
    walk.page.get_by_label("Password", exact=True).fill(INITIAL_PASSWORD)
    walk.click("Sign in")
    walk.at(SIGNED_IN)
    walk.open("/account/password")
    walk.click("Continue")
    walk.page.get_by_role("link", name="Choose a password without JavaScript").click()
    walk.page.get_by_label("Current password").fill(INITIAL_PASSWORD)
    walk.choose_password(new)
    walk.at(DONE)
    assert api.kinit(whole.forest, person.account, new) is api.SignIn.OK
