"""Passkeys, made and used by a device in software; a browser with one of its own is in tests/browser."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from tests.portal.methods.conftest import Clock, allow
from tests.portal.signed_in import sign_in
from tests.portal.walk import Page, Walker
from tests.support.passkeys import Device

from keyback.portal.methods.passkey.method import METHOD
from keyback.portal.people.create import create_cloud_person
from keyback.portal.people.models import ContactDatum, Person
from keyback.portal.recovery.models import Challenge
from keyback.portal.securityinfo.models import RegisteredMethod
from keyback.portal.securityinfo.registered import held

ORIGIN = "https://portal.example.test"
ADD = "/security-info/passkey/"
USE = "/recover/passkey/"
CHOOSE = "What should your new password be?"
WRONG = "That passkey is not on file for this account."


@pytest.fixture(autouse=True)
def named(settings: Any) -> None:
    """A portal with a name; passkeys belong to names."""
    settings.CONFIG = settings.CONFIG.model_copy(update={"public_url": ORIGIN})


def add(walker: Walker, device: Device, label: str = "My phone") -> Page:
    page = walker.get(ADD)
    answer = device.create(page.data["passkey-options"])
    return walker.post(ADD, page.forms[ADD] | {"label": label, "answer": answer})


@pytest.fixture
def device(cleo: Person) -> Device:
    """On file for Cleo."""
    allow("email", "passkey")
    walker, device = Walker(), Device(ORIGIN)
    sign_in(walker, proved=["email"])
    assert add(walker, device).heading == "It is on file"
    return device


def to_use(walker: Walker, user_id: str = "cleo@example.test") -> Page:
    page = walker.identify(user_id)
    return walker.post(f"{USE}start", page.forms[f"{USE}start"])


def answer(walker: Walker, page: Page, text: str) -> Page:
    return walker.post(USE, page.forms[USE] | {"answer": text})


def test_a_passkey_is_made_verified_and_discoverable(cleo: Person, walker: Walker) -> None:
    allow("email", "passkey")
    sign_in(walker, proved=["email"])
    options = walker.get(ADD).data["passkey-options"]
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["rp"]["id"] == "portal.example.test"
    assert "cleo" not in options["user"]["id"]


@pytest.mark.parametrize(("synced", "kind"), [(True, "synced"), (False, "on one device")])
def test_synced_and_hardware_bound_ones_open_the_gate(cleo: Person, synced: bool, kind: str) -> None:
    allow("email", "passkey")
    walker, device = Walker(), Device(ORIGIN, synced=synced)
    sign_in(walker, proved=["email"])
    add(walker, device)
    assert RegisteredMethod.objects.get().label == f"My phone ({kind})"
    for _ in range(2):
        walker = Walker()
        page = to_use(walker)
        assert answer(walker, page, device.get(page.data["passkey-options"])).heading == CHOOSE
        assert walker.recovery().gates_opened == ["passkey"]


def test_the_page_names_no_passkey_and_asks_for_verification(device: Device, walker: Walker) -> None:
    options = to_use(walker).data["passkey-options"]
    assert options["allowCredentials"] == []
    assert options["userVerification"] == "required"
    assert options["rpId"] == "portal.example.test"


def test_an_answer_counts_once(device: Device, walker: Walker) -> None:
    page = to_use(walker)
    said = device.get(page.data["passkey-options"])
    answer(walker, page, said)
    other = Walker("192.0.2.7")
    assert WRONG in answer(other, to_use(other), said).text


def test_an_answer_to_an_older_page_is_refused_and_a_new_page_works(device: Device, walker: Walker) -> None:
    page = to_use(walker)
    old = device.get(page.data["passkey-options"])
    page = walker.get("/recover/prove")
    page = walker.post(f"{USE}start", page.forms[f"{USE}start"])
    page = answer(walker, page, old)
    assert WRONG in page.text
    assert answer(walker, page, device.get(page.data["passkey-options"])).heading == CHOOSE


def test_an_answer_after_five_minutes_is_too_late(device: Device, walker: Walker, clock: Clock) -> None:
    page = to_use(walker)
    clock.forward(minutes=5, seconds=1)
    assert WRONG in answer(walker, page, device.get(page.data["passkey-options"])).text


def test_a_challenge_for_one_recovery_is_worth_nothing_in_another(device: Device, walker: Walker) -> None:
    mine, other = to_use(walker), Walker("192.0.2.7")
    theirs = to_use(other)
    assert WRONG in answer(other, theirs, device.get(mine.data["passkey-options"])).text


def _unverified(device: Device, options: dict[str, Any]) -> str:
    device.verifies = False
    return device.get(options)


def _elsewhere(device: Device, options: dict[str, Any]) -> str:
    device.origin = "https://portal.example.test.evil.example"
    return device.get(options)


def _other_site(device: Device, options: dict[str, Any]) -> str:
    return device.get(options | {"rpId": "evil.example"})


def _copy(device: Device, options: dict[str, Any]) -> str:
    device.counter = -1  # it has not risen since it was put on file
    return device.get(options)


def _other_key(device: Device, options: dict[str, Any]) -> str:
    return Device(ORIGIN, id=device.id, counter=device.counter).get(options)


def _unknown(device: Device, options: dict[str, Any]) -> str:
    return Device(ORIGIN).get(options)


def _bent(device: Device, options: dict[str, Any]) -> str:
    said = json.loads(device.get(options))
    said["response"]["signature"] = said["response"]["signature"][:-4] + "AAAA"
    return json.dumps(said)


@pytest.mark.parametrize("wrong", [_unverified, _elsewhere, _other_site, _copy, _other_key, _unknown, _bent])
def test_what_is_not_quite_a_proof_opens_nothing(
    device: Device, walker: Walker, wrong: Callable[[Device, dict[str, Any]], str]
) -> None:
    RegisteredMethod.objects.update(counter=7)
    device.counter = 7
    page = to_use(walker)
    page = answer(walker, page, wrong(device, page.data["passkey-options"]))
    assert (page.status, WRONG in page.text) == (422, True)
    assert walker.recovery().gates_opened == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "null",
        "not json",
        '{"rawId": 5}',
        '{"rawId": "é"}',
        '{"rawId": "AAAA", "response": []}',
        "[" * 9000,
    ],
)
def test_garbage_is_a_wrong_proof_and_no_error(device: Device, walker: Walker, text: str) -> None:
    page = answer(walker, to_use(walker), text)
    assert (page.status, WRONG in page.text) == (422, True)


@pytest.mark.parametrize("part", ["clientDataJSON", "authenticatorData", "signature", "userHandle"])
def test_a_garbled_part_of_a_known_passkey_s_answer_is_a_wrong_proof(device: Device, walker: Walker, part: str) -> None:
    page = to_use(walker)
    said = json.loads(device.get(page.data["passkey-options"]))
    said["response"][part] = "AAAAA"
    assert WRONG in answer(walker, page, json.dumps(said)).text


def test_somebody_else_s_passkey_opens_nothing_of_mine(device: Device, walker: Walker, cleo: Person) -> None:
    create_cloud_person(cleo.organization, "eve@example.test", by="operator:test", now=timezone.now())
    page = to_use(walker, "eve@example.test")
    assert WRONG in answer(walker, page, device.get(page.data["passkey-options"])).text


def test_the_same_passkey_is_not_added_twice(device: Device, walker: Walker) -> None:
    sign_in(walker, proved=["passkey"])
    options = walker.get(ADD).data["passkey-options"]
    assert len(options["excludeCredentials"]) == 1
    assert "This very one is on file already." in add(walker, device).text
    assert RegisteredMethod.objects.count() == 1


def _unverified_device(device: Device) -> None:
    device.verifies = False


def _of_another_site(device: Device) -> None:
    device.origin = "https://evil.example"


@pytest.mark.parametrize("bend", [_unverified_device, _of_another_site])
def test_one_that_was_not_made_here_by_its_owner_is_not_added(
    cleo: Person, walker: Walker, bend: Callable[[Device], None]
) -> None:
    allow("email", "passkey")
    device = Device(ORIGIN)
    bend(device)
    sign_in(walker, proved=["email"])
    page = add(walker, device, "Tablet")
    assert (page.status, page.forms[ADD]["label"]) == (422, "Tablet")
    assert not RegisteredMethod.objects.exists()


def test_an_answer_to_the_page_before_is_not_taken_for_a_new_one(cleo: Person, walker: Walker) -> None:
    allow("email", "passkey")
    sign_in(walker, proved=["email"])
    first = walker.get(ADD)
    walker.get(ADD)
    said = Device(ORIGIN).create(first.data["passkey-options"])
    assert walker.post(ADD, first.forms[ADD] | {"label": "", "answer": said}).status == 422


def test_on_a_password_alone_it_waits_a_day(cleo: Person, walker: Walker) -> None:
    allow("passkey")
    ContactDatum.objects.all().delete()
    sign_in(walker)
    device = Device(ORIGIN)
    assert "only from tomorrow" in add(walker, device).text
    assert held(cleo, METHOD.name, timezone.now()) == []
    page = to_use(other := Walker("192.0.2.7"))
    assert WRONG in answer(other, page, device.get(page.data["passkey-options"])).text


def test_what_the_challenge_row_holds_is_not_believed(device: Device, walker: Walker) -> None:
    """Whoever writes the database cannot have an answer taken that was given elsewhere."""
    page = to_use(walker)
    said = device.get(page.data["passkey-options"] | {"challenge": "A" * 43})
    Challenge.objects.update(code_hmac=bytes(32))
    assert WRONG in answer(walker, page, said).text


def test_without_a_name_the_portal_offers_none(device: Device, walker: Walker, settings: Any) -> None:
    settings.CONFIG = settings.CONFIG.model_copy(update={"public_url": "https://192.0.2.1"})
    assert f"{USE}start" not in walker.identify("cleo@example.test").forms
