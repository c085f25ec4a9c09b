"""*Press # to confirm*: where the gateway reports keys, a call speaks no code."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pydantic import ValidationError
from tests.portal.methods.conftest import MOBILE, Clock, allow
from tests.portal.methods.phones import arrived, ask
from tests.portal.walk import Page, Walker
from tests.support.gateway import Gateway

from keyback.portal.config import GatewayConfig
from keyback.portal.messages.models import Channel, Message
from keyback.portal.people.contacts import add_phone
from keyback.portal.people.models import ContactDatum, Person
from keyback.portal.recovery.models import Challenge

PATH = "/recover/call_mobile/"
CHOOSE = "What should your new password be?"
PRESS = "Can you hear your phone?"
NOT_YET = "No # has come yet."
SECRET = "gateway-7d1e-40b2-9c55"


@pytest.fixture(autouse=True)
def reporting(cleo: Person, gateway: Gateway, settings: Any, tmp_path: Path) -> None:
    """Cleo's number is on file, and the gateway reports keys."""
    file = tmp_path / "keys"
    file.write_text(f"{SECRET}\n")
    values = {"to": "{to}", "text": "{text}", "id": "{id}"}
    config = GatewayConfig.model_validate({"url": gateway.url, "fields": values, "keys": str(file)})
    settings.CONFIG = settings.CONFIG.model_copy(update={"voice": config})
    allow("call_mobile")
    add_phone(cleo, MOBILE, ContactDatum.Kind.MOBILE, origin="operator", by="operator:test", now=timezone.now())


def called(walker: Walker, user_id: str = "cleo@example.test", number: str = MOBILE) -> Page:
    return ask(walker, walker.identify(user_id), "call_mobile", number)


def report(call: dict[str, str], key: str = "#", secret: str = SECRET) -> int:
    body = json.dumps({"id": call["id"], "key": key})
    headers = {"Authorization": f"Bearer {secret}"}
    return (
        Client(enforce_csrf_checks=True)
        .post("/gateway/keys", body, content_type="application/json", headers=headers)
        .status_code
    )


def go_on(walker: Walker, page: Page) -> Page:
    return walker.post(PATH, page.forms[PATH])


def waiting(walker: Walker) -> bool:
    return bool(walker.client.get(f"{PATH}state").json()["waiting"])


def test_the_key_opens_the_gate(walker: Walker, gateway: Gateway) -> None:
    page = called(walker)
    assert page.heading == PRESS
    [call] = arrived(gateway, Channel.VOICE)
    assert "press the hash key" in call["text"]
    assert not re.search(r"\d, \d", call["text"])
    assert waiting(walker)
    assert report(call) == 204
    assert not waiting(walker)
    assert go_on(walker, page).heading == CHOOSE
    assert walker.recovery().gates_opened == ["mobile"]


def test_without_the_key_the_button_says_so_and_costs_nothing(walker: Walker, gateway: Gateway) -> None:
    page = called(walker)
    for _ in range(6):
        page = go_on(walker, page)
        assert (page.status, NOT_YET in page.text) == (422, True)
    [call] = arrived(gateway, Channel.VOICE)
    report(call)
    assert go_on(walker, page).heading == CHOOSE


@pytest.mark.parametrize("key", ["1", "*", "", "##"])
def test_another_key_is_no_consent(walker: Walker, gateway: Gateway, key: str) -> None:
    page = called(walker)
    [call] = arrived(gateway, Channel.VOICE)
    assert report(call, key) == 204
    assert NOT_YET in go_on(walker, page).text


@pytest.mark.parametrize("secret", ["", "wrong", SECRET + "x"])
def test_only_the_gateway_reports(walker: Walker, gateway: Gateway, secret: str) -> None:
    page = called(walker)
    [call] = arrived(gateway, Channel.VOICE)
    assert report(call, secret=secret) == 401
    assert NOT_YET in go_on(walker, page).text


def test_a_secret_that_can_be_guessed_opens_nothing(walker: Walker, gateway: Gateway, settings: Any) -> None:
    settings.CONFIG.voice.keys.write_text("short")
    called(walker)
    [call] = arrived(gateway, Channel.VOICE)
    assert report(call, secret="short") == 401


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"id": 5, "key": "#"}', '{"id": "x", "key": "#"}', "[" * 5000])
def test_a_malformed_report_is_refused(body: str) -> None:
    headers = {"Authorization": f"Bearer {SECRET}"}
    answer = Client().post("/gateway/keys", body, content_type="application/json", headers=headers)
    assert answer.status_code == 400


def test_the_key_counts_for_this_browser_and_this_call(walker: Walker, gateway: Gateway) -> None:
    called(walker)
    other = Walker("192.0.2.7")
    theirs = called(other)
    report(arrived(gateway, Channel.VOICE)[0])
    assert waiting(other)
    assert NOT_YET in go_on(other, theirs).text
    page = called(walker)  # a newer call replaces the one in which it was pressed
    assert NOT_YET in go_on(walker, page).text


def test_it_counts_once_and_for_five_minutes(walker: Walker, gateway: Gateway, clock: Clock) -> None:
    page = called(walker)
    [call] = arrived(gateway, Channel.VOICE)
    report(call)
    clock.forward(minutes=5, seconds=1)
    assert "That call is too old." in go_on(walker, page).text
    assert walker.recovery().gates_opened == []


def test_a_row_bent_by_hand_is_not_believed(walker: Walker) -> None:
    page = called(walker)
    Challenge.objects.update(pressed=b"x" * 32)
    assert NOT_YET in go_on(walker, page).text


def test_nobody_waits_on_the_same_page_and_no_report_ends_it(walker: Walker, gateway: Gateway) -> None:
    page = called(walker, "nobody@example.test")
    assert page.heading == PRESS
    assert arrived(gateway, Channel.VOICE) == []
    report({"id": str(Message.objects.get().pk)})
    assert waiting(walker)
    assert NOT_YET in go_on(walker, page).text


def test_a_gateway_that_is_not_told_the_call_s_id_cannot_report_keys(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="must be told"):
        GatewayConfig.model_validate(
            {"url": "https://v.test", "fields": {"to": "{to}", "text": "{text}"}, "keys": str(tmp_path)}
        )
