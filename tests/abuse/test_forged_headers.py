"""What a client says about hosts, schemes and addresses changes nothing: not the mail, not a link, not a limit."""

import json
import logging
from uuid import UUID

import pytest
from django.db import OperationalError
from django.test import Client

from keyback.portal.limits.models import Counter
from keyback.portal.logs import JsonLine, WithoutRequest
from keyback.portal.people.models import Person
from tests.portal.walk import Walker, mails, newest_code, read, solve

EVIL = "evil.example"
HEADERS = {
    "X-Forwarded-Host": EVIL,
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Port": "444",
    "X-Forwarded-For": "203.0.113.9",
    "X-Real-IP": "203.0.113.9",
    "X-Original-URL": f"https://{EVIL}/",
    "X-Rewrite-URL": "/recover/password",
    "X-HTTP-Method-Override": "GET",
    "Forwarded": f"for=203.0.113.9;host={EVIL};proto=https",
    "Referer": f"https://{EVIL}/",
}


def _walker(headers: dict[str, str]) -> Walker:
    walker = Walker()
    walker.client.defaults |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    return walker


def test_forwarded_headers_change_no_mail_and_no_page(cleo: Person) -> None:
    """The whole road of a person whose password lives here, all of it under forged headers."""
    walker = _walker(HEADERS)
    page = walker.ask_for_code(walker.identify("cleo@example.test"))
    assert page.status == 200
    page = walker.type_code(page, newest_code())
    typed = {"new_password": "Winter-ist-kalt-7", "new_password_again": "Winter-ist-kalt-7"}
    page = walker.post("/recover/password/plain", page.forms["/recover/password/plain"] | typed)
    assert page.heading == "Your password is changed"
    assert EVIL not in page.response.content.decode()
    assert len(mails()) == 2
    for mail in mails():
        assert EVIL not in str(mail)
        assert mail["to"] == "cleo@private.test"


def test_forwarded_addresses_are_no_way_round_a_limit(cleo: Person) -> None:
    statuses = []
    for number in range(22):
        client = Client(headers={"X-Forwarded-For": f"203.0.113.{number}", "Forwarded": f"for=203.0.113.{number}"})
        work = solve(read(client.get("/recover/")).data["work-challenge"])
        statuses.append(client.post("/recover/", {"user_id": "cleo@example.test", "work": work}).status_code)
    assert statuses == [302] * 20 + [429] * 2
    assert Counter.objects.filter(budget="identified").count() == 1


@pytest.mark.parametrize("host", [EVIL, f"127.0.0.1.{EVIL}", f"127.0.0.1@{EVIL}", f"{EVIL}#127.0.0.1", "[::1", ""])
def test_another_host_is_refused(cleo: Person, host: str) -> None:
    answer = Client(raise_request_exception=False).get("/recover/", headers={"Host": host} if host else {"Host": " "})
    assert answer.status_code == 400
    assert EVIL not in answer.content.decode()


@pytest.mark.parametrize("origin", [f"https://{EVIL}", "null", "http://127.0.0.1:9999", "https://127.0.0.1:8080"])
def test_a_form_from_another_origin_is_refused(cleo: Person, origin: str) -> None:
    walker = _walker({"Host": "127.0.0.1:8080", "Origin": origin})
    page = walker.identify("cleo@example.test")
    assert page.status == 403
    assert not mails()


def test_nothing_that_a_stranger_sent_is_logged_with_the_refusal(
    cleo: Person, caplog: pytest.LogCaptureFixture
) -> None:
    """The path may be the secret one of a mail, and the host anything."""
    caplog.handler.addFilter(WithoutRequest())
    caplog.handler.setFormatter(JsonLine())
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    with caplog.at_level(logging.DEBUG):
        answers = [
            client.post(f"/not-me/{UUID(int=7)}/{EVIL}"),
            client.get("/recover/", headers={"Host": EVIL}),
            client.post("/recover/", {EVIL: EVIL * 30_000}),
        ]
    assert EVIL not in caplog.text
    lines = [json.loads(line) for line in caplog.text.splitlines() if '"django.security' in line]
    assert [line["message"] for line in lines][:2] == ["refused: csrf", "refused: DisallowedHost"]
    for line, answer in zip(lines, answers, strict=False):
        assert line["tracking_id"] == answer["Keyback-Tracking-Id"]


def test_no_path_is_logged_with_an_error_of_ours(
    cleo: Person, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.handler.addFilter(WithoutRequest())
    caplog.handler.setFormatter(JsonLine())

    def fails(*given: object) -> None:
        raise OperationalError(EVIL)

    monkeypatch.setattr("keyback.portal.account.views.not_me.recovery_behind", fails)
    answer = Client(raise_request_exception=False).get(f"/not-me/{UUID(int=7)}/{EVIL}")
    assert answer.status_code == 503
    [line] = [json.loads(line) for line in caplog.text.splitlines()]
    assert (line["message"], line["tracking_id"]) == ("answered 503", answer["Keyback-Tracking-Id"])
    assert EVIL not in caplog.text
