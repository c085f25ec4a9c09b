"""What a client says about hosts, schemes and addresses changes nothing: not the mail, not a link, not a limit."""

import pytest
from django.test import Client

from keyback.portal.limits.models import Counter
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
