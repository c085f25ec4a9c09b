"""The same for the methods that people register: who has one, who has none, and nobody look alike up to the gate."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from webauthn.helpers import base64url_to_bytes

from keyback.portal.config import GatewayConfig
from keyback.portal.limits.models import Counter
from keyback.portal.methods.access_pass.passes import make
from keyback.portal.methods.authenticator.method import METHOD as AUTHENTICATOR
from keyback.portal.methods.passkey.ceremony import lookup
from keyback.portal.methods.passkey.method import METHOD as PASSKEY
from keyback.portal.methods.questions import catalogue
from keyback.portal.methods.questions.enrol import Chosen, put_on_file
from keyback.portal.people.contacts import add_phone
from keyback.portal.people.models import ContactDatum, Person, Policy
from keyback.portal.securityinfo import registered
from tests.abuse.test_known_and_unknown import Seen, Watcher, assert_alike
from tests.portal.agents import AgentWithKeys
from tests.portal.walk import read, solve

Fill = dict[str, str]


def _with_app(person: Person) -> None:
    secret = {"secret": "A" * 32, "period": 30}
    registered.add(
        person, AUTHENTICATOR.name, label="Phone", secret=secret, most=5, by="self", now=timezone.now(), counter=1
    )


def _with_passkey(person: Person) -> None:
    secret = {"id": "00", "public_key": "00", "synced": False}
    registered.add(
        person,
        PASSKEY.name,
        label="Phone",
        secret=secret,
        most=5,
        by="self",
        now=timezone.now(),
        lookup=lookup(person, base64url_to_bytes("AAAA")),
    )


def _with_answers(person: Person) -> None:
    offered = catalogue.offered(person.organization)
    chosen = [Chosen(key, f"an answer to {key}"[:40]) for key in list(offered)[:5]]
    put_on_file(person, chosen, offered, by="self", now=timezone.now())


def _with_pass(person: Person) -> None:
    make(person, minutes=60, length=8, once=True, by="operator:test", now=timezone.now())


CASES: dict[str, tuple[Callable[[Person], None], Fill]] = {
    "authenticator": (_with_app, {"code": "000000"}),
    "passkey": (_with_passkey, {"answer": '{"rawId": "AAAA"}'}),
    "questions": (_with_answers, {"answer-1": "Anna", "answer-2": "Bonn", "answer-3": "Käfer"}),
    "access_pass": (_with_pass, {"pass": "aaaa bbbb"}),
}


def _walk(method: str, user_id: str, wrong: Fill) -> list[Seen]:
    watcher, path = Watcher(), f"/recover/{method}/"
    watcher.get("first page", "/recover/")
    work = solve(read(watcher.page).data["work-challenge"])
    watcher.post("user ID", "/recover/", user_id=user_id, work=work)
    watcher.get("how to prove", "/recover/prove")
    watcher.post("this way", f"{path}start")
    watcher.get("the question", path)
    for number in range(1, 7):
        watcher.post(f"wrong proof {number}", path, **wrong)
    watcher.get("how to prove, again", "/recover/prove")
    watcher.get("a page that is not yet due", "/recover/password")
    Counter.objects.all().delete()  # each walks from a clean slate
    return watcher.seen


@pytest.mark.parametrize("method", CASES)
def test_who_has_it_who_has_not_and_nobody_look_alike(
    make_ada: Callable[..., Person], agent: AgentWithKeys, settings: Any, method: str
) -> None:
    settings.CONFIG = settings.CONFIG.model_copy(update={"public_url": "https://portal.example.test"})
    put_on_file, wrong = CASES[method]
    Policy.objects.update(methods=[method])
    put_on_file(make_ada("grace"))
    make_ada("linus")
    _walk(method, "warm-up@example.test", wrong)
    nobody = _walk(method, "nobody@example.test", wrong)
    assert 429 in {seen.status for seen in nobody}
    for name in ("grace", "linus"):
        assert_alike(_walk(method, f"{name}@example.test", wrong), nobody)


def _walk_call(user_id: str) -> list[Seen]:
    watcher, path = Watcher(), "/recover/call_mobile/"
    watcher.get("first page", "/recover/")
    work = solve(read(watcher.page).data["work-challenge"])
    watcher.post("user ID", "/recover/", user_id=user_id, work=work)
    watcher.get("how to prove", "/recover/prove")
    watcher.post("this way", f"{path}start")
    watcher.get("which number", f"{path}number")
    watcher.post("the number", f"{path}number", number="+44 7700900123")
    watcher.get("the call", path)
    watcher.get("the state", f"{path}state")
    watcher.page = watcher.walker.client.get(path)
    watcher.post("on, without the key", path)
    Counter.objects.all().delete()
    return watcher.seen


def test_whose_number_it_is_and_whose_it_is_not_wait_for_the_key_alike(
    make_ada: Callable[..., Person], agent: AgentWithKeys, settings: Any, tmp_path: Path
) -> None:
    (tmp_path / "keys").write_text("a-secret-of-the-gateway")
    voice = GatewayConfig(
        url="http://127.0.0.1:9/", fields={"to": "{to}", "text": "{text}", "id": "{id}"}, keys=tmp_path / "keys"
    )
    settings.CONFIG = settings.CONFIG.model_copy(update={"voice": voice})
    Policy.objects.update(methods=["call_mobile"])
    for name, number in (("grace", "+44 7700900123"), ("linus", "+44 7700900456")):
        add_phone(
            make_ada(name), number, ContactDatum.Kind.MOBILE, origin="operator", by="operator:test", now=timezone.now()
        )
    _walk_call("warm-up@example.test")
    nobody = _walk_call("nobody@example.test")
    for name in ("grace", "linus"):
        assert_alike(_walk_call(f"{name}@example.test"), nobody)
