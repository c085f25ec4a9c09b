"""What proves one thing proves nothing else: no right answer of one method opens a gate through another."""

from typing import Any

import pyotp
import pytest
from django.utils import timezone

from keyback.portal.limits.models import Counter
from keyback.portal.methods.access_pass.passes import make
from keyback.portal.methods.passkey import ceremony
from keyback.portal.methods.questions import catalogue
from keyback.portal.methods.questions.enrol import Chosen, put_on_file
from keyback.portal.people.models import Person, Policy
from keyback.portal.securityinfo import registered
from tests.portal.methods.test_questions import asked
from tests.portal.walk import Page, Walker, newest_code
from tests.support.passkeys import Device

ORIGIN = "https://portal.example.test"
SECRET = "ABCDEFGHIJKLMNOPABCDEFGHIJKLMNOP"
METHODS = ("email", "authenticator", "passkey", "questions", "access_pass")


@pytest.fixture(autouse=True)
def at_the_origin(settings: Any) -> None:
    settings.CONFIG = settings.CONFIG.model_copy(update={"public_url": ORIGIN})


class Right:
    """Cleo with everything on file, and what would be right for each method."""

    def __init__(self, person: Person) -> None:
        now = timezone.now()
        self.device = Device(ORIGIN)
        made = ceremony.make(ceremony.answer_to(self.device.create(ceremony.to_make(person, bytes(32), []))), bytes(32))
        told: dict[str, Any] = {"label": "One", "most": 5, "by": "self", "now": now}
        registered.add(person, "authenticator", secret={"secret": SECRET, "period": 30}, counter=1, **told)
        registered.add(
            person,
            "passkey",
            secret={"id": made.id.hex(), "public_key": made.public_key.hex(), "synced": False},
            lookup=ceremony.lookup(person, made.id),
            **told,
        )
        offered = catalogue.offered(person.organization)
        chosen = [Chosen(key, f"an {key}") for key in list(offered)[:5]]
        put_on_file(person, chosen, offered, by="self", now=now)
        self.answers = {offered[one.key]: one.answer for one in chosen}
        self.access_pass = make(person, minutes=60, length=8, once=False, by="operator:test", now=now)

    def of(self, method: str, page: Page) -> list[str]:
        """The right texts for the page of this method, which was opened last."""
        if method == "passkey":
            return [self.device.get(page.data["passkey-options"])]
        if method == "questions":
            return [self.answers[text] for text in asked(page)]
        return [{"email": newest_code, "authenticator": pyotp.TOTP(SECRET).now, "access_pass": self._pass}[method]()]

    def _pass(self) -> str:
        return self.access_pass


def _open(walker: Walker, method: str) -> Page:
    page = walker.get("/recover/prove")
    start = f"/recover/{method}/{'send' if method == 'email' else 'start'}"
    return walker.post(start, page.forms[start])


def _answer(walker: Walker, method: str, page: Page, texts: list[str]) -> Page:
    path = f"/recover/{method}/"
    names = [name for name in page.forms[path] if name in ("code", "pass", "answer") or name.startswith("answer-")]
    fields = dict(zip(names, (texts * len(names))[: len(names)], strict=True))
    return walker.post(path, page.forms[path] | fields)


@pytest.mark.parametrize("through", METHODS)
def test_no_proof_of_one_method_opens_a_gate_through_another(cleo: Person, walker: Walker, through: str) -> None:
    Policy.objects.update(methods=list(METHODS), gates=2)
    right = Right(cleo)
    walker.identify("cleo@example.test")
    for method in METHODS:
        Counter.objects.all().delete()
        texts = right.of(method, _open(walker, method))
        if method != through:
            _answer(walker, through, _open(walker, through), texts)
            assert walker.recovery().gates_opened == [], f"{method} through {through}"
    Counter.objects.all().delete()
    page = _open(walker, through)
    _answer(walker, through, page, right.of(through, page))
    assert len(walker.recovery().gates_opened) == 1
