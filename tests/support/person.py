"""A person at a browser, without the browser: walks the same pages, step by step, as crash tests and the bench need it.

Whatever the pages' scripts do is done here in Python: the proof of work is solved, the password is sealed, the state is
asked for. Nothing is known but what the pages say and what the mail brings.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from types import TracebackType
from typing import Any, Self

import altcha
import httpx2

from keyback.protocol.encoding import b64decode, b64encode
from keyback.protocol.sealing import Sealed, load_unseal_key, seal
from tests.support.smtp import Sink, text_of
from tests.support.waiting import wait_until

__all__ = ["NoCode", "Page", "PersonAtBrowser", "codes_to", "new_address", "page_pauses"]

_addresses = itertools.count(1)


def new_address() -> str:
    """A loopback address of its own for each client, since the portal limits what one address may start."""
    number = next(_addresses)
    return f"127.77.{number // 250}.{number % 250 + 1}"


def codes_to(mail: Sink, address: str) -> list[str]:
    """Every code that was sent to this address, oldest first, without the space in its middle."""
    found = (re.search(r"^\s*(\d{4}) (\d{4})\s*$", text_of(message), re.MULTILINE) for message in mail.to(address))
    return [match[1] + match[2] for match in found if match]


class NoCode(AssertionError):
    """The mail did not come in time."""


def page_pauses() -> Iterator[float]:
    """Seconds between two looks of the waiting page (static/keyback/wait.js)."""
    pause = 0.15
    while True:
        yield pause
        pause = min(pause * 1.4, 4)


@dataclass(slots=True)
class Form:
    action: str
    fields: dict[str, str] = field(default_factory=dict)


class Page(HTMLParser):
    """An answer, read as a person (title, text) and as a script (forms, JSON) reads it."""

    def __init__(self, answer: httpx2.Response) -> None:
        super().__init__()
        self.status = answer.status_code
        self.url = str(answer.url)
        self.path = answer.url.path
        self.html = answer.text
        self.tracking_id = answer.headers.get("Keyback-Tracking-Id", "")
        self.title = ""
        self.forms: list[Form] = []
        self.json: dict[str, Any] = {}
        self.times: list[str] = []
        self._texts: list[str] = []
        self._codes: dict[str, str] = {}
        self._in: list[tuple[str, str]] = []
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            self.feed(self.html)
            self.close()

    @property
    def text(self) -> str:
        """All that can be read on the page, with single spaces."""
        return " ".join(" ".join(self._texts).split())

    @property
    def support_code(self) -> str:
        """The support code at the foot of the page."""
        found = re.search(r"Support code ([0-9a-f-]{36})", self.text)
        return found[1] if found else ""

    @property
    def refusal(self) -> str:
        """The code that a refusal shows for the administrator, or ""."""
        return self._codes.get("refusal-code", "")

    def form(self, action: str) -> Form:
        """The form that posts to this path."""
        for form in self.forms:
            if form.action == action:
                return form
        raise AssertionError(f"{self.path} ({self.status}, {self.title!r}) has no form for {action}: {self.text}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given.get("action", self.path)))
        elif tag == "time":
            self.times.append(given.get("datetime", ""))
        elif tag == "input":
            if self.forms and given.get("name"):
                self.forms[-1].fields[given["name"]] = given.get("value", "")
            return
        if tag in ("script", "style", "h1", "code"):
            self._in.append((tag, given.get("id", "")))

    def handle_endtag(self, tag: str) -> None:
        if self._in and self._in[-1][0] == tag:
            self._in.pop()

    def handle_data(self, data: str) -> None:
        tag, id_ = self._in[-1] if self._in else ("", "")
        if tag == "script":
            if id_:
                self.json[id_] = json.loads(data)
            return
        if tag == "style":
            return
        if tag == "h1":
            self.title = " ".join((self.title + data).split())
        if tag == "code" and id_:
            self._codes[id_] = data.strip()
        self._texts.append(data)


class PersonAtBrowser:
    """One browser with its cookies. Each step returns the page that follows, and keeps it as ``page``.

    ``address``: the loopback address that it connects from; one of its own unless given. ``as_page_asks``: ask for the
    state as rarely as the page does, and not as fast as a test would like to know.
    """

    def __init__(self, url: str, mail: Sink, *, address: str | None = None, timeout: float = 30) -> None:
        self.mail = mail
        self.address = address or new_address()
        # Plain http: without `verify` each browser would read all certificate authorities first, which takes 30 ms.
        transport = httpx2.HTTPTransport(local_address=self.address, verify=False)
        self.http = httpx2.Client(
            base_url=url, transport=transport, timeout=timeout, follow_redirects=True, trust_env=False
        )
        self.page: Page | None = None
        self.as_page_asks = False
        self._codes_before = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.http.close()

    @property
    def tracking_id(self) -> str:
        """The support code of this recovery."""
        return self._here().tracking_id

    def get(self, path: str) -> Page:
        return self._keep(self.http.get(path))

    def post(self, action: str, **typed: str) -> Page:
        """Posts the form of the current page that goes to ``action``, with what the person typed."""
        form = self._here().form(action)
        return self._keep(self.http.post(action, data={**form.fields, **typed}))

    def identify(self, user_id: str) -> Page:
        """First page: the user ID, and the work that shows a browser with a person before it."""
        page = self.get("/recover/")
        return self.post("/recover/", user_id=user_id, work=solve(page.json["work-challenge"]))

    def choose_email(self, to: str = "") -> Page:
        """Asks for a code. ``to``: the mailbox in which :meth:`read_code` then looks."""
        self._codes_before = len(codes_to(self.mail, to)) if to else 0
        return self.post("/recover/email/send")

    def read_code(self, to: str, timeout: float = 15) -> str:
        """The newest code, once it has come. Raises NoCode when it has not within ``timeout`` seconds."""
        try:
            found = wait_until(
                lambda: codes_to(self.mail, to)[self._codes_before :], timeout=timeout, what=f"a code for {to}"
            )
        except AssertionError as error:
            raise NoCode(str(error)) from None
        return found[-1]

    def enter_code(self, code: str) -> Page:
        return self.post("/recover/email/", code=code)

    def sign_in(self, user_id: str, password: str) -> Page:
        """With the directory's own password, sealed; the page that follows."""
        self.get("/sign-in")
        page = self.post("/sign-in", user_id=user_id)
        token = page.form("/sign-in/password").fields["csrfmiddlewaretoken"]
        self.http.post("/sign-in/password", json=self._sealed(Sealed(current=password)), headers={"X-CSRFToken": token})
        return self.wait(state="/sign-in/state")

    def wait(self, timeout: float = 60, *, state: str = "/recover/state") -> Page:
        """Asks for the state, as the waiting page does, until there is a next page; returns that."""
        end = time.monotonic() + timeout
        pauses = page_pauses() if self.as_page_asks else itertools.repeat(0.02)
        if self.as_page_asks:
            time.sleep(next(pauses))
        while True:
            told = self.http.get(state).json()
            if not told["waiting"]:
                return self.get(told["next"])
            if time.monotonic() > end:
                raise AssertionError(f"nothing followed the waiting page within {timeout:g} s")
            time.sleep(next(pauses))

    def wait_for_choose(self, timeout: float = 60) -> Page:
        """The page with the password fields. AssertionError when another one came."""
        page = self.wait(timeout)
        if "sealing" not in page.json:
            raise AssertionError(f"no password page but {page.title!r} {page.refusal}: {page.text}")
        return page

    def seal(self, password: str, current: str | None = None) -> dict[str, Any]:
        """What the page's script would send: one sealed box for each agent. ``current``: in a change."""
        return self._sealed(Sealed(new=password, current=current))

    def _sealed(self, passwords: Sealed) -> dict[str, Any]:
        sealing = self._here().json["sealing"]
        boxes = {
            target["agent"]: b64encode(
                seal(passwords, load_unseal_key(b64decode(target["public"])), b64decode(target["info"]))
            )
            for target in sealing["targets"]
        }
        return {"step": sealing["step"], "request_id": sealing["request_id"], "boxes": boxes}

    def send(self, sealed: dict[str, Any]) -> httpx2.Response:
        """Posts sealed boxes, as JSON; the answer as it is."""
        page = self._here()
        token = page.form("/recover/password").fields["csrfmiddlewaretoken"]
        return self.http.post("/recover/password", json=sealed, headers={"X-CSRFToken": token})

    def submit(self, password: str) -> str:
        """Seals and sends; the path of the page that follows. AssertionError when it was refused at once."""
        answer = self.send(self.seal(password))
        if answer.status_code != httpx2.codes.OK:
            raise AssertionError(f"the boxes were refused: {answer.status_code} {answer.text[:300]}")
        return str(answer.json()["next"])

    def submit_plain(self, password: str) -> Page:
        """The page without JavaScript."""
        self.get("/recover/password/plain")
        return self.post("/recover/password/plain", new_password=password, new_password_again=password)

    def outcome(self, timeout: float = 90) -> Page:
        """What the person is told in the end: done, refused, unsure; or the password page again with its errors."""
        return self.wait(timeout)

    def reach_choose(self, user_id: str, to: str) -> Page:
        """From the first page to the password fields."""
        self.identify(user_id)
        self.choose_email(to)
        self.enter_code(self.read_code(to))
        return self.wait_for_choose()

    def reset(self, user_id: str, to: str, password: str) -> Page:
        """From the first page to the last."""
        self.reach_choose(user_id, to)
        self.submit(password)
        return self.outcome()

    def _here(self) -> Page:
        if self.page is None:
            raise AssertionError("no page has been opened yet")
        return self.page

    def _keep(self, answer: httpx2.Response) -> Page:
        self.page = Page(answer)
        return self.page


def solve(challenge: dict[str, Any]) -> str:
    """The answer to the proof of work, in the form of the page's hidden field."""
    solution = altcha.solve_challenge(altcha.Challenge.from_dict(challenge))
    if solution is None:
        raise AssertionError("the proof of work was not solved in time")
    return base64.b64encode(json.dumps({"challenge": challenge, "solution": solution.to_dict()}).encode()).decode()
