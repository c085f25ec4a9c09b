"""What people register, in a real Chromium with a passkey of its own: put on file, and then a whole recovery with it.

The portal runs alone, under a name: passkeys belong to names, and nobody here has a directory.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from datetime import UTC, datetime
from io import BytesIO

import httpx2
import pyotp
import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from tests.browser.alone import KEYS, NUMBER, OLD, at, click, new_cloud_person
from tests.browser.looking import SIZES, look
from tests.portal.methods.test_authenticator import shown
from tests.serve.portal import Portal
from tests.support.gateway import Gateway
from tests.support.waiting import wait_until

from keyback.portal.methods.questions.catalogue import PREDEFINED

USER_ID = "cleo@example.test"
NEW = "Winter-ist-kalt-7"


@pytest.fixture(scope="module")
def cleo(portal: Portal) -> str:
    new_cloud_person(portal, USER_ID, "Cleo Cloud")
    return USER_ID


def choose(page: Page, title: str) -> None:
    at(page, "How do you want to prove it is you?")
    page.get_by_role("button", name=title).click()


def type_pass(page: Page, portal: Portal) -> None:
    made = portal.run("security-info", "pass", USER_ID)
    choose(page, "Type a temporary access pass")
    at(page, "Which pass did your helpdesk give you?")
    look(page, "pass")
    page.get_by_label("Temporary access pass").fill(made.stdout.strip())
    click(page, "Continue")


def _step() -> int:
    return int(time.time()) // 30


def scan(page: Page) -> pyotp.TOTP:
    """As the camera of a telephone that reads no inverted pictures sees it, in light and dark, wide and narrow."""
    import zxingcpp

    seen = set()
    for viewport in SIZES.values():
        page.set_viewport_size(viewport)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            picture = Image.open(BytesIO(page.locator(".qr").screenshot()))
            [code] = zxingcpp.read_barcodes(picture, try_invert=False)
            seen.add(code.text)
    [uri] = seen
    app = pyotp.parse_uri(uri)
    assert isinstance(app, pyotp.TOTP)
    assert (app.name, app.issuer, app.digits, app.interval) == (USER_ID, "Example Ltd", 6, 30)
    assert app.secret == page.locator("#secret").inner_text().replace(" ", "")
    return app


def add_app(page: Page) -> tuple[pyotp.TOTP, int]:
    """The app, and the time step of whose code use was made."""
    page.goto("/security-info/authenticator/")
    at(page, "Add an authenticator app")
    look(page, "add-authenticator")
    app = scan(page)
    step = _step()
    page.get_by_label("Code", exact=True).fill(shown(app.secret, datetime.fromtimestamp(step * 30, UTC)))
    page.get_by_label("Name").fill("My phone")
    click(page, "Add")
    at(page, "It is on file")
    return app, step


def add_questions(page: Page) -> dict[str, str]:
    page.goto("/security-info/questions/")
    at(page, "Which questions do you want to answer?")
    look(page, "add-questions")
    answers = {str(text): secrets.token_hex(4) for text in list(PREDEFINED.values())[:5]}
    for number, (text, answer) in enumerate(answers.items(), 1):
        page.locator(f"#question-{number}").select_option(label=text)
        page.locator(f"#answer-{number}").fill(answer)
    click(page, "Keep these")
    at(page, "It is on file")
    return answers


def add_passkey(page: Page) -> None:
    page.goto("/security-info/passkey/")
    at(page, "Add a passkey")
    look(page, "add-passkey")
    page.get_by_label("Name").fill("This computer")
    click(page, "Make a passkey")
    at(page, "It is on file")
    look(page, "added")


def sign_in(page: Page) -> None:
    page.goto("/sign-in?next=/security-info")
    page.get_by_label("User ID").fill(USER_ID)
    click(page, "Continue")
    page.get_by_label("Password", exact=True).fill(OLD)
    page.get_by_role("button", name=re.compile("Sign in|Continue")).click()


def identify(page: Page) -> None:
    page.goto("/recover/")
    page.get_by_label("User ID").fill(USER_ID)
    click(page, "Continue")


def use_passkey(page: Page) -> None:
    choose(page, "Use a passkey")
    at(page, "Where is your passkey?")
    look(page, "use-passkey")
    click(page, "Use my passkey")


def prove_first(page: Page, portal: Portal) -> None:
    """What is on file already vouches for what is added."""
    page.goto("/security-info/passkey/")
    page.get_by_role("button", name=re.compile("Continue|Prove")).click()
    type_pass(page, portal)


def test_a_person_registers_three_ways_and_gets_back_in_with_two(portal: Portal, cleo: str, page: Page) -> None:
    assert portal.run("security-info", "pass", USER_ID).returncode == 0
    sign_in(page)
    prove_first(page, portal)
    add_passkey(page)
    app, used = add_app(page)
    answers = add_questions(page)
    page.context.clear_cookies()

    identify(page)
    use_passkey(page)
    choose(page, "Type a code from an authenticator app")
    at(page, "Which code does your app show?")
    look(page, "authenticator")
    # The code with which it was added is used up: that of the next step counts, which may have begun meanwhile.
    page.get_by_label("Code", exact=True).fill(app.generate_otp(max(_step(), used + 1)))
    click(page, "Continue")
    at(page, "What should your new password be?")
    page.get_by_label("New password", exact=True).fill(NEW)
    page.get_by_label("The same password again").fill(NEW)
    click(page, "Set my password")
    at(page, "Your password is changed")

    identify(page)
    choose(page, "Answer your security questions")
    at(page, "What did you answer?")
    look(page, "questions")
    for label in page.locator("form label").all():
        page.get_by_label(label.inner_text()).fill(answers[label.inner_text()].upper())
    click(page, "Continue")
    at(page, "How do you want to prove it is you?")


def test_the_page_goes_on_by_itself_once_the_key_was_pressed(
    portal: Portal, cleo: str, page: Page, gateway: Gateway
) -> None:
    identify(page)
    choose(page, "Get a call on your mobile phone")
    page.get_by_label("Telephone number").fill(NUMBER)
    click(page, "Continue")
    at(page, "Can you hear your phone?")
    look(page, "press-key")
    wait_until(lambda: gateway.posts, timeout=10, what="the call")
    call = json.loads(gateway.posts[-1].body)
    headers = {"Authorization": f"Bearer {KEYS}"}
    answer = httpx2.post(
        f"{portal.public_url}/gateway/keys", json={"id": call["id"], "key": "#"}, headers=headers, timeout=10
    )
    assert answer.status_code == 204
    at(page, "How do you want to prove it is you?")
    expect(page.get_by_text("One proof is done.")).to_be_visible()
