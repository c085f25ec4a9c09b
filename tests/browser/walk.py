"""What a person does on the pages of a recovery, in a real browser, in their words."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from cryptography.fernet import Fernet
from playwright.sync_api import Page, expect
from tests.support.person import codes_to
from tests.support.waiting import wait_until
from tests.support.whole import Whole

from keyback.portal.keyring import Keyring
from lab.people import Person

__all__ = ["CHOOSE", "CODE", "DONE", "IDENTIFY", "PROVE", "Walk", "read_characters"]

IDENTIFY = "Who are you?"
PROVE = "How do you want to prove it is you?"
CODE = "Which code did you get?"
CHOOSE = "What should your new password be?"
DONE = "Your password is changed"


class Walk:
    """One browser. Every step ends when its page has come."""

    def __init__(self, page: Page, whole: Whole) -> None:
        self.page = page
        self.whole = whole
        self._read: set[str] = set()

    def at(self, title: str) -> None:
        """Waits until the page asks this question."""
        expect(self.page.get_by_role("heading", level=1)).to_have_text(title, timeout=30_000)

    def open(self, path: str = "/recover/") -> None:
        self.page.goto(path)

    def identify(self, user_id: str) -> None:
        self.page.get_by_label("User ID").fill(user_id)
        self.click("Continue")

    def choose_email(self) -> None:
        self.page.get_by_role("button", name="Get a code by e-mail").click()

    def enter_code(self, code: str) -> None:
        self.page.get_by_label("Code", exact=True).fill(code)
        self.click("Continue")

    def choose_password(self, password: str, again: str | None = None) -> None:
        self.page.get_by_label("New password", exact=True).fill(password)
        self.page.get_by_label("The same password again").fill(password if again is None else again)
        self.click("Set my password")

    def click(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def code_for(self, person: Person) -> str:
        """The newest code that came and was not read yet."""

        def newest() -> str | None:
            codes = codes_to(self.whole.mail, person.mail_address)
            return codes[-1] if codes and codes[-1] not in self._read else None

        self._read.add(code := wait_until(newest, what=f"a code for {person.account}"))
        return code

    def to_prove(self, person: Person) -> None:
        self.open()
        self.identify(self.whole.user_id(person))
        self.at(PROVE)

    def to_code(self, person: Person) -> None:
        self.to_prove(person)
        self.choose_email()
        self.at(CODE)

    def to_choose(self, person: Person) -> None:
        self.to_code(person)
        self.enter_code(self.code_for(person))
        self.at(CHOOSE)

    def to_done(self, person: Person, password: str) -> None:
        self.to_choose(person)
        self.choose_password(password)
        self.at(DONE)

    @property
    def support_code(self) -> str:
        found = re.search(r"[0-9a-f-]{36}", self.page.locator(".support").inner_text())
        assert found is not None
        return found[0]


def read_characters(keys: Path, token: str) -> str:
    """Reads the picture with the portal's own key, since a test has no eyes."""
    keyring = Keyring(keys)
    key = base64.urlsafe_b64encode(keyring.code_hmac("human check", "characters"))
    return Fernet(key).decrypt(token.encode()).decode()
