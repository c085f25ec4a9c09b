"""A person at the browser, without the browser: loads pages, fills in their forms as they are, and reads mail."""

import json
import re
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from html.parser import HTMLParser
from typing import Any

import altcha
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from keyback.portal.messages.models import Message
from keyback.portal.people.models import Person
from keyback.portal.recovery.models import Recovery
from keyback.portal.vault import open_value
from keyback.portal.writeback.claims import answer_poll
from keyback.portal.writeback.models import WritebackRequest
from keyback.portal.writeback.requests import finish, grant_writing
from keyback.protocol.encoding import b64decode, b64encode
from keyback.protocol.messages import (
    Before,
    Envelope,
    Finding,
    Inspection,
    Outcome,
    Poll,
    WriteIntent,
)
from keyback.protocol.outcomes import OutcomeCode
from keyback.protocol.sealing import Sealed, box_info, load_unseal_key, open_box, seal
from tests.portal.agents import AgentWithKeys

POLICY = {
    "min_length": 8,
    "history": 3,
    "min_age_seconds": 0,
    "max_age_seconds": None,
    "complexity": True,
    "lockout_threshold": 0,
    "name": None,
}


@dataclass
class Page:
    """What of a page the tests look at. `forms`: by action, the hidden and typed fields with their values."""

    response: HttpResponse
    title: str = ""
    heading: str = ""
    text: str = ""
    forms: dict[str, dict[str, str]] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    links: list[str] = field(default_factory=list)

    @property
    def status(self) -> int:
        return self.response.status_code


class _Reader(HTMLParser):
    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page
        self.form: dict[str, str] | None = None
        self.into: list[str] = []
        self.data_id = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.form = self.page.forms.setdefault(values["action"], {})
        elif tag == "input" and self.form is not None and "name" in values:
            self.form[values["name"]] = values.get("value", "")
        elif tag == "a":
            self.page.links.append(values.get("href", ""))
        elif tag == "script":
            self.data_id = values.get("id", "")
        if tag in ("title", "h1", "script", "style"):
            self.into.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.form = None
        if self.into and self.into[-1] == tag:
            self.into.pop()

    def handle_data(self, data: str) -> None:
        where = self.into[-1] if self.into else ""
        if where == "title":
            self.page.title += data
        elif where == "script":
            if self.data_id:
                self.page.data[self.data_id] = json.loads(data)
        else:
            self.page.text += data
            if where == "h1":
                self.page.heading += data


def read(response: HttpResponse) -> Page:
    page = Page(response)
    _Reader(page).feed(response.content.decode())
    page.heading = page.heading.strip()
    page.text = " ".join(page.text.split())
    return page


def solve(challenge: dict[str, Any]) -> str:
    """The answer to the proof of work that a page carries."""
    asked = altcha.Challenge.from_dict(challenge)
    solution = altcha.solve_challenge(asked)
    assert solution is not None
    return altcha.Payload(asked, solution).to_base64()


class Walker:
    """One browser. CSRF is checked, as in life."""

    def __init__(self, address: str = "127.0.0.1", language: str = "en") -> None:
        self.client = Client(enforce_csrf_checks=True, REMOTE_ADDR=address, HTTP_ACCEPT_LANGUAGE=language)

    def get(self, path: str, *, follow: bool = True) -> Page:
        return read(self.client.get(path, follow=follow))

    def post(self, path: str, fields: dict[str, str], *, follow: bool = True) -> Page:
        return read(self.client.post(path, fields, follow=follow))

    def identify(self, user_id: str, *, follow: bool = True) -> Page:
        page = self.get("/recover/")
        fields = page.forms["/recover/"] | {"user_id": user_id, "work": solve(page.data["work-challenge"])}
        return self.post("/recover/", fields, follow=follow)

    def ask_for_code(self, page: Page) -> Page:
        return self.post("/recover/email/send", page.forms["/recover/email/send"])

    def type_code(self, page: Page, code: str) -> Page:
        return self.post("/recover/email/", page.forms["/recover/email/"] | {"code": code})

    def prove(self, user_id: str) -> Page:
        """From the first page through the gate."""
        page = self.ask_for_code(self.identify(user_id))
        return self.type_code(page, newest_code())

    def send_boxes(self, page: Page, boxes: dict[str, str], **changed: Any) -> HttpResponse:
        """What the page's script sends."""
        sealing = page.data["sealing"]
        body = {"step": sealing["step"], "request_id": sealing["request_id"], "boxes": boxes} | changed
        return self.post_json(page, body)

    def post_json(self, page: Page, body: Any, path: str = "/recover/password") -> HttpResponse:
        token = page.forms["/recover/password"]["csrfmiddlewaretoken"]
        return self.client.post(path, json.dumps(body), content_type="application/json", headers={"X-CSRFToken": token})

    def recovery(self) -> Recovery:
        return Recovery.objects.get(id=uuid.UUID(self.client.session["recovery"]))


def boxes_for(page: Page, password: str | None, current: str | None = None) -> dict[str, str]:
    """Sealed as the browser does it."""
    sealed = Sealed(new=password, current=current)
    return {
        target["agent"]: b64encode(
            seal(sealed, load_unseal_key(b64decode(target["public"])), b64decode(target["info"]))
        )
        for target in page.data["sealing"]["targets"]
    }


def mails(**chosen: Any) -> list[dict[str, str]]:
    """Every mail that is queued, opened, oldest first. ``chosen``: only those messages."""
    return [
        json.loads(open_value(row.organization_id, row.id, "message", bytes(row.sealed).decode()))
        for row in Message.objects.filter(**chosen).order_by("created_at")
        if row.sealed is not None
    ]


def newest_code() -> str:
    found = [re.search(r"\b(\d{4} ?\d{4})\b", mail["text"]) for mail in mails()]
    codes = [match.group(1) for match in found if match]
    return codes[-1]


@dataclass
class FakeDirectory:
    """An agent's side of the requests, played by calling what its door calls."""

    agent: AgentWithKeys
    boot_id: uuid.UUID = field(default_factory=uuid.uuid4)
    written: list[str | None] = field(default_factory=list)
    opened: Sealed = field(default_factory=Sealed)

    def inspect(self, person: Person, code: OutcomeCode = OutcomeCode.DONE, **found: Any) -> Envelope:
        """Answers the waiting inspection."""
        fence, envelope, _box = self._claim()
        assert envelope.operation == "inspect"
        assert envelope.object_guid == person.object_guid
        inspection = Inspection(
            **{
                "password_version": 5,
                "locked_out": False,
                "must_change": False,
                "password_expired": False,
                "policy": POLICY,
                **found,
            }
        )
        self._finish(envelope, fence, code, inspection=inspection if code is OutcomeCode.DONE else None)
        return envelope

    def write(
        self, code: OutcomeCode = OutcomeCode.DONE, findings: list[Finding] | None = None, operation: str = "reset"
    ) -> Envelope:
        """Answers the waiting reset or change. Opens the box, as only the agent can."""
        fence, envelope, box = self._claim()
        assert envelope.operation == operation
        assert envelope.password_version == 5
        if code in (OutcomeCode.DONE, OutcomeCode.UNKNOWN, OutcomeCode.NOT_WRITTEN):
            before = Before(
                server="dc1",
                invocation_id=uuid.uuid4(),
                object_guid=envelope.object_guid,
                password_version=5,
                pwd_last_set_version=5,
            )
            grant = grant_writing(self.agent.row, envelope.request_id, WriteIntent(fence=fence, before=before), _now())
            assert grant.granted
        info = box_info(envelope, self.agent.row.id, envelope.boxes[self.agent.row.id].key)
        assert box is not None
        self.opened = open_box(box, self.agent.unseal, info)
        self.written.append(self.opened.new)
        self._finish(envelope, fence, code, findings=findings or [])
        return envelope

    def verify(self, code: OutcomeCode = OutcomeCode.DONE) -> str | None:
        """Answers the waiting sign-in. The password that was typed."""
        fence, envelope, box = self._claim()
        assert envelope.operation == "verify"
        assert box is not None
        opened = open_box(
            box, self.agent.unseal, box_info(envelope, self.agent.row.id, envelope.boxes[self.agent.row.id].key)
        )
        self._finish(envelope, fence, code)
        return opened.current

    def unlock(self, code: OutcomeCode = OutcomeCode.DONE) -> Envelope:
        """Answers the waiting unlock."""
        fence, envelope, box = self._claim()
        assert (envelope.operation, box) == ("unlock", None)
        self._finish(envelope, fence, code)
        return envelope

    def _claim(self) -> tuple[int, Envelope, bytes | None]:
        [work] = answer_poll(self.agent.row, Poll(boot_id=self.boot_id), _now())
        envelope = Envelope.model_validate_json(b64decode(work.envelope))
        return work.fence, envelope, None if work.box is None else b64decode(work.box)

    def _finish(self, envelope: Envelope, fence: int, code: OutcomeCode, **more: Any) -> None:
        outcome = Outcome(request_id=envelope.request_id, fence=fence, code=code, **more)
        finish(self.agent.row, envelope.request_id, outcome, _now())
        if code is OutcomeCode.UNKNOWN:
            WritebackRequest.objects.filter(id=envelope.request_id).update(resolve_until=_now())


def _now() -> datetime:
    return timezone.now()
