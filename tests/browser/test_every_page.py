"""Every page that the walks of the other files do not look at: axe, light and dark, 360 and 1280 pixels, and the
keyboard alone, which reaches everything in its order and is never caught. No page is left out."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from playwright.sync_api import Page, expect
from tests.browser.alone import NUMBER, OLD, at, new_cloud_person
from tests.browser.looking import SIZES, accessible, fits, look, shoot
from tests.serve.portal import Portal
from tests.support import oidc

USER_ID = "dora@example.test"
ELSEWHERE = "eve@else.test"

SIGNED_OUT = {
    "sign_in": "/sign-in",
    "recover": "/recover/?screen=kiosk",
    "first_password": "/recover/first",
    "recover_by_characters": "/recover/characters",
    "contact": "/contact",
    "contact_sent": "/contact/sent",
    "help": "/help",
    "help_administrators": "/help/administrators",
}
SIGNED_IN = {
    "account": "/account",
    "change_password": "/account/password",
    "security_info": "/security-info",
    "authenticator_add": "/security-info/authenticator/",
    "call_mobile_add": "/security-info/call_mobile/",
    "call_office_add": "/security-info/call_office/",
    "email_add": "/security-info/email/",
    "passkey_add": "/security-info/passkey/",
    "questions_add": "/security-info/questions/",
    "sms_add": "/security-info/sms/",
}
# Reached by walking, here or in the file beside the name.
WALKED = {
    "security_info_asked",  # here, where somebody has too little on file
    *("sign_in_password", "sign_in_openid", "sign_in_openid_return", "sms_start", "sms_number", "sms_code"),  # here
    *("call_office_start", "call_office_number", "call_office_code", "email_add_code", "sms_add_code"),  # here
    *("call_mobile_add_code", "call_office_add_code", "security_info_remove"),  # here: one template each
    *("recover_prove", "recover_wait", "recover_password", "recover_outcome", "email_code"),  # test_accessible
    "recover_password_plain",  # test_accessible
    *("recover_unlock", "recover_purpose"),  # test_locked_out_and_new
    *("sign_in_plain", "sign_in_wait", "sign_out", "not_me", "account_prove", "screen_over"),  # test_account
    *("access_pass_typed", "authenticator_code", "passkey_use", "questions_answer"),  # test_registered_methods
    *("call_mobile_start", "call_mobile_number", "call_mobile_code"),  # test_registered_methods
}
# Of those above, what is looked at in those files already: here only with the keyboard.
LOOKED_AT = {
    *("sign_in", "recover", "first_password", "recover_by_characters", "contact", "contact_sent", "help", "account"),
    *("change_password", "security_info", "authenticator_add", "email_add", "passkey_add", "questions_add"),
}
# What shows no page of its own: buttons, pictures, sounds, states, redirections, calls of machines.
NO_PAGES = {
    *("home", "characters_image", "characters_sound", "recover_state", "organization_style", "gateway_keys"),
    *("access_pass_start", "authenticator_start", "email_send", "passkey_start", "questions_start"),
    *("call_mobile_state", "call_office_state", "sms_state", "sign_in_state", "sign_in_result", "sign_in_forgot"),
    *("account_proved", "security_info_confirm", "security_info_default"),
}
# Visible things that a keyboard must reach, as they stand in the page.
_REACHABLE = """() => [
  ...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, audio")
].filter((e) => !e.disabled && e.checkVisibility({ visibilityProperty: true })).length"""
_FOCUSED = """() => {
  const e = document.activeElement;
  if (e === document.body || e === document.documentElement) return null;
  const all = [...document.querySelectorAll("*")];
  const visible = e.tagName === "AUDIO" || getComputedStyle(e).outlineStyle !== "none";
  return [all.indexOf(e), visible, e.outerHTML.slice(0, 80)];
}"""


def test_no_page_is_left_out() -> None:
    listed = [*SIGNED_OUT, *SIGNED_IN, *WALKED, *NO_PAGES]
    assert sorted(listed) == sorted(_names(get_resolver().url_patterns))


def _names(patterns: list[URLPattern | URLResolver]) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _names(pattern.url_patterns)
        else:
            yield str(pattern.name)


@pytest.fixture(scope="module")
def dora(portal: Portal) -> str:
    new_cloud_person(portal, USER_ID, "Dora Doppler-Wagenknecht")
    assert portal.run("apps", "add", "example", "Wiki", "https://wiki.example.test/").returncode == 0
    return USER_ID


def keyboard(page: Page) -> None:
    """Tab visits all that can be clicked, from top to bottom, and shows where it is."""
    wanted, seen = page.evaluate(_REACHABLE), []
    page.evaluate("() => { document.activeElement.blur(); window.scrollTo(0, 0); }")
    for _ in range(wanted * 4 + 20):
        page.keyboard.press("Tab")
        found = page.evaluate(_FOCUSED)
        if found is None or (seen and found[0] == seen[0]):
            break
        assert found[1], f"{page.url}: the focus cannot be seen on {found[2]}"
        seen.append(found[0])
    assert seen == sorted(seen), page.url
    assert len(set(seen)) >= wanted, f"{page.url}: {len(set(seen))} of {wanted}"


def see(page: Page, name: str) -> None:
    if name not in LOOKED_AT:
        look(page, f"every-{name}")
    keyboard(page)


def type_user_id(page: Page, user_id: str, path: str = "/sign-in") -> None:
    page.goto(path)
    page.locator("#user_id").fill(user_id)
    page.locator("main form button[type=submit]").first.click()


def sign_in(page: Page) -> None:
    type_user_id(page, USER_ID)
    at(page, "What is your password?")
    see(page, "sign_in_password")
    page.locator("#password").fill(OLD)
    page.locator("main form button[type=submit]").first.click()
    page.wait_for_url(re.compile("/account|/security-info"))


def prove(portal: Portal, page: Page) -> None:
    """What is on file already vouches for what is looked at."""
    made = portal.run("security-info", "pass", USER_ID).stdout.strip()
    page.goto("/security-info/email/")
    page.locator("main form button[type=submit]").first.click()
    page.locator("#method-access_pass").click()
    page.locator("#pass").fill(made)
    page.locator("main form button[type=submit]").first.click()
    page.locator("#email").wait_for()


def test_the_pages_of_who_is_not_signed_in(portal: Portal, dora: str, page: Page) -> None:
    for name, path in SIGNED_OUT.items():
        page.goto(path)
        see(page, name)


def test_the_pages_of_an_account(portal: Portal, dora: str, page: Page) -> None:
    sign_in(page)
    at(page, "How could you get back in?")
    see(page, "security_info_asked")
    prove(portal, page)
    for name, path in SIGNED_IN.items():
        page.goto(path)
        see(page, name)
    page.goto("/security-info/sms/")
    page.locator("#number").fill("+44 7700900456")
    page.locator("main form button[type=submit]").first.click()
    page.locator("#code").wait_for()
    see(page, "sms_add_code")


def test_a_sign_in_screen_forgets_everything_after_three_minutes_without_a_touch(portal: Portal, page: Page) -> None:
    page.clock.install()
    page.goto("/recover/?screen=kiosk")
    page.locator("#user_id").fill(USER_ID)
    page.evaluate("() => sessionStorage.setItem('user-id', 'dora')")
    page.clock.fast_forward(150_000)
    page.locator("#user_id").press("End")
    page.clock.fast_forward(150_000)
    assert page.locator("#user_id").input_value() == USER_ID
    with page.expect_navigation():
        page.clock.fast_forward(31_000)
    expect(page.locator("#user_id")).to_have_value("")
    assert page.evaluate("() => sessionStorage.length") == 0


@pytest.fixture
def out_of_order(portal: Portal) -> Iterator[None]:
    """A database that answers nothing but errors."""
    with closing(sqlite3.connect(portal.directory / "state" / "keyback.sqlite3", timeout=30)) as database:
        database.execute("PRAGMA legacy_alter_table = ON")  # what refers to the table goes on doing so
        database.execute("ALTER TABLE organizations_organization RENAME TO gone")
        yield
        database.execute("ALTER TABLE gone RENAME TO organizations_organization")


def test_the_page_for_the_unforeseen(portal: Portal, page: Page, out_of_order: None) -> None:
    page.goto("/sign-in")
    at(page, "Something went wrong on our side")
    see(page, "unforeseen")


def test_the_pages_for_a_number_and_its_code(portal: Portal, dora: str, page: Page) -> None:
    """Those for calls are made of the same templates."""
    type_user_id(page, USER_ID, "/recover/")
    page.locator("#method-sms").click()
    page.locator("#number").wait_for()
    see(page, "sms_number")
    page.locator("#number").fill("12")
    page.locator("main form button[type=submit]").first.click()
    page.locator("#error-summary").wait_for()
    see(page, "sms_number-error")
    page.locator("#number").fill(NUMBER)
    page.locator("main form button[type=submit]").first.click()
    expect(page.get_by_role("heading", level=1)).not_to_contain_text("number")
    see(page, "sms_code")


@pytest.fixture
def secret(portal: Portal, tmp_path: Path) -> Iterator[Path]:
    """Of the client at the provider of those at else.test, whose pages go away with it."""
    secret = tmp_path / "secret"
    secret.write_text("of-the-client")
    portal.run("domain", "add", "example", "else.test")
    portal.run("domain", "verify", "example", "else.test", "--by-operator")
    yield secret
    portal.run("openid", "remove", "example")


@contextmanager
def running_provider(portal: Portal, secret: Path) -> Iterator[None]:
    with oidc.running({"sub": "eve", "preferred_username": ELSEWHERE}) as provider:
        done = portal.run(
            *("openid", "set", "example", "--issuer", provider.issuer, "--client-id", "keyback"),
            *("--secret-file", str(secret), "--domain", "else.test"),
        )
        assert done.returncode == 0, done.stderr
        yield


def test_the_pages_around_a_provider(portal: Portal, page: Page, secret: Path) -> None:
    with running_provider(portal, secret):
        type_user_id(page, ELSEWHERE)
        at(page, "Sign in with your organization")
        see(page, "elsewhere")
        page.goto("/sign-in/openid/return?error=access_denied&state=x")
        at(page, "That did not sign you in")
        see(page, "sign-in-refused")


def test_the_page_for_a_provider_that_is_gone(portal: Portal, page: Page, secret: Path) -> None:
    with running_provider(portal, secret):
        pass
    type_user_id(page, ELSEWHERE)
    at(page, "Sign in with your organization")
    page.locator("main a.button, main form button[type=submit]").first.click()
    at(page, "This is not possible at the moment")
    see(page, "sign-in-unreachable")


@pytest.mark.scale
@pytest.mark.parametrize("language", ["de", "es", "fr", "it", "ja", "nl", "pl", "pt", "zh-hans"])
def test_the_words_of_every_language_fit_on_a_telephone(portal: Portal, dora: str, page: Page, language: str) -> None:
    sign_in(page)
    prove(portal, page)
    page.set_viewport_size(SIZES["narrow"])
    for name, path in (SIGNED_IN | SIGNED_OUT).items():
        page.goto(f"{path}{'&' if '?' in path else '?'}lang={language}")
        assert page.locator("html").get_attribute("lang") == language
        accessible(page)
        fits(page)
        shoot(page, f"{language}-{name}")
