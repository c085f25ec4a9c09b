"""The other ways to prove who one is, in Chromium with JavaScript switched off. Only passkeys need it."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import parse_qs

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browser.alone import KEYS, NUMBER, OLD, at, click, new_cloud_person
from tests.browser.walk import read_characters
from tests.portal.methods.test_authenticator import shown
from tests.serve.portal import Portal
from tests.support.gateway import Gateway
from tests.support.waiting import wait_until

from keyback.portal.methods.questions.catalogue import PREDEFINED

USER_ID = "nora@example.test"
NEW = "Herbst-ist-nass-8"
CHOOSE = "How do you want to prove it is you?"


@pytest.fixture
def plain(chromium: Browser, portal: Portal) -> Iterator[Page]:
    context = chromium.new_context(base_url=portal.public_url, locale="en-GB", java_script_enabled=False)
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()


def prove_by_pass(page: Page, made: str) -> None:
    page.get_by_role("button", name="Type a temporary access pass").click()
    page.get_by_label("Temporary access pass").fill(made)
    click(page, "Continue")


def identify(page: Page, portal: Portal) -> None:
    page.goto("/recover/characters")
    page.get_by_label("User ID").fill(USER_ID)
    token = page.locator("input[name=token]").input_value()
    page.get_by_label("Characters", exact=True).fill(read_characters(portal.directory / "keys", token))
    click(page, "Continue")
    at(page, CHOOSE)


def texted(gateway: Gateway, before: int) -> str:
    wait_until(lambda: len(gateway.posts) > before, timeout=10, what="the text message")
    found = re.search(r"\b(\d{3} \d{3})\b", parse_qs(gateway.posts[-1].body)["text"][0])
    assert found
    return found[1]


def test_registering_and_getting_back_in(portal: Portal, gateway: Gateway, plain: Page) -> None:
    page = plain
    new_cloud_person(portal, USER_ID, "Nora Nebel")
    made = portal.run("security-info", "pass", USER_ID).stdout.strip()
    page.goto("/sign-in?next=/security-info")
    page.get_by_label("User ID").fill(USER_ID)
    click(page, "Continue")
    page.get_by_label("Password", exact=True).fill(OLD)
    click(page, "Sign in")
    page.goto("/security-info/authenticator/")
    page.get_by_role("button", name=re.compile("Continue|Prove")).click()
    prove_by_pass(page, made)

    at(page, "Add an authenticator app")
    expect(page.locator(".qr")).to_be_visible()
    secret, step = page.locator("#secret").inner_text().replace(" ", ""), int(time.time()) // 30
    page.get_by_label("Code", exact=True).fill(shown(secret, datetime.fromtimestamp(step * 30, UTC)))
    page.get_by_label("Name").fill("My phone")
    click(page, "Add")
    at(page, "It is on file")
    page.goto("/security-info/questions/")
    answers = {str(text): secrets.token_hex(4) for text in list(PREDEFINED.values())[:5]}
    for number, (text, answer) in enumerate(answers.items(), 1):
        page.locator(f"#question-{number}").select_option(label=text)
        page.locator(f"#answer-{number}").fill(answer)
    click(page, "Keep these")
    at(page, "It is on file")
    page.context.clear_cookies()

    identify(page, portal)
    sent = len(gateway.posts)
    page.get_by_role("button", name="Get a code by text message").click()
    page.get_by_label("Telephone number").fill(NUMBER)
    click(page, "Continue")
    page.get_by_label("Code", exact=True).fill(texted(gateway, sent))
    click(page, "Continue")
    page.get_by_role("button", name="Answer your security questions").click()
    for label in page.locator("form label").all():
        page.get_by_label(label.inner_text()).fill(answers[label.inner_text()])
    click(page, "Continue")
    page.get_by_label("New password", exact=True).fill(NEW)
    page.get_by_label("The same password again").fill(NEW)
    click(page, "Set my password")
    at(page, "Your password is changed")

    identify(page, portal)
    page.get_by_role("button", name="Type a code from an authenticator app").click()
    # That with which the app was added is used up.
    page.get_by_label("Code", exact=True).fill(
        shown(secret, datetime.fromtimestamp(max(int(time.time()) // 30, step + 1) * 30, UTC))
    )
    click(page, "Continue")
    at(page, CHOOSE)
    sent = len(gateway.posts)
    page.get_by_role("button", name="Get a call on your mobile phone").click()
    page.get_by_label("Telephone number").fill(NUMBER)
    click(page, "Continue")
    wait_until(lambda: len(gateway.posts) > sent, timeout=10, what="the call")
    call = json.loads(gateway.posts[-1].body)
    headers = {"Authorization": f"Bearer {KEYS}"}
    httpx2.post(
        f"{portal.public_url}/gateway/keys", json={"id": call["id"], "key": "#"}, headers=headers, timeout=10
    ).raise_for_status()
    click(page, "I have pressed #")
    at(page, "What should your new password be?")
