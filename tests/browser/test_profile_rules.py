"""The rules of a profile are named before anything is typed, and ticked by the browser as the portal judges them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.staticfiles import finders
from django.template.loader import render_to_string
from playwright.sync_api import Browser, Page, Request, Route
from tests.browser.looking import look

from keyback.passwords import PersonNames, Profile, Rules, judge
from keyback.portal.people.cloud import CLOUD_POLICY
from keyback.portal.recovery.views.password import shown_rules

EVERYTHING = Profile(
    "everything",
    min_length=9,
    max_length=16,
    max_units=20,
    upper=True,
    lower=True,
    digit=True,
    symbol=True,
    same_in_a_row=2,
    sequence=3,
    similar_percent=70,
    strength=3,
)
CODES = {
    "min_length": "too_short",
    "max_length": "too_long",
    "same_in_a_row": "repeats",
    **{same: same for same in ("upper", "lower", "digit", "symbol", "sequence")},
}
PASSWORDS = (
    "a",
    "aB3-aB3-a",
    "aB3-aB3-",
    "AAB3-xyz",
    "Winter-ist-kalt-7",
    "winter-kalt-7",
    "WINTER-KALT-7",
    "Winter-kalt-!",
    "Winter7kalt8x",
    "Wiinnter-7-kx",
    "Wiiinter-7-kx",
    "Xabc-9-Kwrtz",
    "XaBcd-9-Kwrtz",
    "X-4321-Kwrtz",
    "X-1a2b3c-Kwrtz",
    "Überfluß-7-kx",
    "äöüÄÖÜ-9-xq",
    "😀😀-Wx9-😀-abKq",
    "😀😀😀-9-Wxq",
    "日本語-Wx-9-kq",
    "--------------",
    "Wx-9-٣٤٥٦-kq",
)


@pytest.fixture(scope="module")
def page(chromium: Browser) -> Iterator[Page]:
    """The real template and the real scripts, without a portal behind them."""
    context = {"person": {"user_id": "cleo@example.test"}, "change": True, "step_token": "", "policy": CLOUD_POLICY}
    context |= {"LANGUAGE_CODE": "en", "product": "Keyback"}
    context |= shown_rules(CLOUD_POLICY, EVERYTHING, PersonNames("cleo", "Cleo Cloud"))
    html = render_to_string("recovery/password_plain.html", context)

    def answer(route: Route, request: Request) -> None:
        name = request.url.partition("/static/")[2]
        found = finders.find(name) if name else None
        if found:
            route.fulfill(path=found)
        else:
            route.fulfill(body=html, content_type="text/html; charset=utf-8")

    opened = chromium.new_page()
    opened.route("**/*", answer)
    opened.goto("http://portal.test/recover/password/plain")
    yield opened
    opened.close()


def test_every_rule_is_named_before_anything_is_typed(page: Page) -> None:
    rules = page.locator("#password-rules li").all_inner_texts()
    assert [rule.splitlines()[0] for rule in rules] == [
        "at least 9 characters",
        "at most 16 characters",
        "three of these: capital letters, small letters, digits, symbols, letters of scripts without capitals",
        "no account name, and no part of your name",
        "a capital letter",
        "a small letter",
        "a digit",
        "a symbol, such as ! or #",
        "no character more than 2 times in a row",
        "at most 3 characters that follow each other, as in 1234 or abcd",
        "not to be like your current password",
        "not to be easy to guess",
    ]
    assert page.locator("#password-rules .met").count() == 0


@pytest.mark.parametrize("password", PASSWORDS)
def test_the_ticks_are_what_the_portal_says(page: Page, password: str) -> None:
    page.fill("#new-password", password)
    unmet = set(page.locator("[data-rule]:not(.met)").evaluate_all("all => all.map((one) => one.dataset.rule)"))
    judged = {finding.code.value for finding in judge(password, PersonNames("cleo"), Rules(EVERYTHING)).findings}
    assert {rule for rule, code in CODES.items() if code in judged} == unmet - {"classes", "names"}


def test_many_rules_fit_on_a_small_screen_and_are_read_aloud(page: Page) -> None:
    look(page, "profile-rules")
