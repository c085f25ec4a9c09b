"""Whatever is mutated, replayed, reordered or carried to another person, no gate opens without its own proof.

Three browsers walk at random through every page and form, with each other's forms, tokens, codes and old sessions, and
with bent ones. What each recovery has really proved is kept here, from what was mailed and what was typed; after every
step the database and the page must say no more than that.
"""

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pyotp
import pytest
from django.conf import settings as django_settings
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from keyback.portal.limits.settings import known
from keyback.portal.methods.authenticator.enrol import add_app, new_secret
from keyback.portal.organizations.models import Organization
from keyback.portal.people.cloud import verify_password
from keyback.portal.people.models import CloudPassword, Person, Policy
from keyback.portal.recovery.models import Recovery
from keyback.portal.writeback.models import WritebackRequest
from tests.portal.recovery.conftest import OLD_PASSWORD
from tests.portal.walk import FakeDirectory, Page, Walker, boxes_for, mails

CHOOSE = "What should your new password be?"
PATHS = [
    *("/recover/", "/recover/prove", "/recover/wait", "/recover/state", "/recover/password", "/recover/password/plain"),
    *("/recover/outcome", "/recover/email/", "/recover/authenticator/", "/recover/unlock", "/contact"),
]
BENDS = ["", "0", "x" * 32, "0000 0000", "000000", "prove", "choose", str(uuid.UUID(int=0)), "<b>", "reset", "unlock"]
CODE = re.compile(r"\b(\d{4} \d{4})\b")
ANY = st.integers(0, 10_000)
"""Which of what there is: drawn as a number, since what there is differs in its tokens from one run to the next."""
GATES = {"email": "email", "authenticator": "authenticator"}


@dataclass
class World:
    organization: Organization
    people: dict[str, Person]
    apps: dict[str, str]
    directory: FakeDirectory
    kept: str = ""

    def __post_init__(self) -> None:
        self.kept = CloudPassword.objects.get(person=self.people["cleo"]).hash


@dataclass
class Browser:
    walker: Walker = field(default_factory=Walker)
    page: Page | None = None
    # Every session that this browser had, and the one that its last true proof gave it.
    sessions: list[str] = field(default_factory=list)
    proved: set[str] = field(default_factory=set)

    @property
    def session(self) -> str:
        cookie = self.walker.client.cookies.get(django_settings.SESSION_COOKIE_NAME)
        return cookie.value if cookie else ""

    @property
    def recovery(self) -> Recovery | None:
        found = self.walker.client.session.get("recovery")
        return Recovery.objects.filter(id=found).first() if found else None


class Road(RuleBasedStateMachine):
    world: World

    def __init__(self) -> None:
        super().__init__()
        self.atom = transaction.atomic()
        self.atom.__enter__()
        self.browsers = [Browser() for _ in range(3)]
        self.forms: list[tuple[str, dict[str, str]]] = []
        self.true: dict[uuid.UUID, set[str]] = {}
        self.world.directory.written.clear()

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.atom.__exit__(None, None, None)

    @initialize(gates=st.sampled_from([1, 2]))
    def policy(self, gates: int) -> None:
        self.gates = gates
        Policy.objects.update(gates=gates, methods=list(GATES))

    # --- what browsers do

    @rule(who=st.integers(0, 2), user_id=st.sampled_from(["cleo", "ada", "nobody", "CORP\\ada"]), on=st.booleans())
    def identify(self, who: int, user_id: str, on: bool) -> None:
        spelt = user_id if "\\" in user_id else f"{user_id}@example.test"
        self._see(who, self.browsers[who].walker.identify(spelt))
        if on:
            self.have_a_code_sent(who)

    @rule(who=st.integers(0, 2))
    def have_a_code_sent(self, who: int) -> None:
        browser = self.browsers[who]
        page = browser.walker.get("/recover/prove")
        self._see(who, page)
        if "/recover/email/send" in page.forms:
            self._see(who, browser.walker.ask_for_code(page))

    @rule(who=st.integers(0, 2), whose=st.integers(0, 3))
    def type_a_mailed_code(self, who: int, whose: int) -> None:
        """One's own, the one of another browser's recovery, or (3) one that nobody got."""
        other = self.browsers[whose].recovery if whose < 3 else None
        code = self._mailed(other) if other else "0000 0001" if whose == 3 else None
        page = self.browsers[who].walker.get("/recover/email/")
        self._see(who, page)
        if code and "/recover/email/" in page.forms:
            self._post(who, "/recover/email/", page.forms["/recover/email/"] | {"code": code})

    @rule(who=st.integers(0, 2), whose=st.sampled_from(["cleo", "ada"]), ahead=st.sampled_from([0, 30]))
    def type_a_code_of_somebodys_app(self, who: int, whose: str, ahead: int) -> None:
        walker = self.browsers[who].walker
        page = walker.get("/recover/prove")
        if "/recover/authenticator/start" in page.forms:
            page = walker.post("/recover/authenticator/start", page.forms["/recover/authenticator/start"])
        self._see(who, page)
        if "/recover/authenticator/" in page.forms:
            code = pyotp.TOTP(self.world.apps[whose]).at(timezone.now() + timedelta(seconds=ahead))
            self._post(who, "/recover/authenticator/", page.forms["/recover/authenticator/"] | {"code": code})

    @rule(who=st.integers(0, 2), path=st.sampled_from(PATHS))
    def go_anywhere(self, who: int, path: str) -> None:
        if path == "/recover/state":
            self.browsers[who].walker.client.get(path)
        else:
            self._see(who, self.browsers[who].walker.get(path))

    @rule(who=st.integers(0, 2), form=ANY, place=ANY, name=ANY, value=ANY, own_step=st.booleans())
    def post_any_form_bent(self, who: int, form: int, place: int, name: int, value: int, own_step: bool) -> None:
        """A form that anybody saw, at its own place or another's, with a field bent or from another form; with a CSRF
        token of this browser's own, since that is not what is tried here."""
        if not self.forms:
            return
        path, seen = self.forms[form % len(self.forms)]
        fields, page = dict(seen), self.browsers[who].page
        bent = list(fields)[name % len(fields)]
        donors = [fields[bent], *BENDS, *(other[bent] for _, other in self.forms if bent in other)]
        fields[bent] = donors[value % len(donors)]
        for own in page.forms.values() if own_step and page is not None and "step" in fields else ():
            fields["step"] = own.get("step", fields["step"])
        places = [path] * len(PATHS) + PATHS  # half of them at their own
        self._post(who, places[place % len(places)], fields)

    @rule(who=st.integers(0, 2), whose=st.integers(0, 2), which=ANY, bend=st.booleans())
    def put_on_an_old_or_bent_session(self, who: int, whose: int, which: int, bend: bool) -> None:
        """One's own of before, as whoever planted or saw it would; or anybody's with a letter changed."""
        browser = self.browsers[who]
        known_ids = self.browsers[whose].sessions if bend else browser.sessions
        if not known_ids:
            return
        value = known_ids[which % len(known_ids)]
        if bend:
            value = value[:-1] + ("a" if value[-1] != "a" else "b")
        browser.walker.client.cookies[django_settings.SESSION_COOKIE_NAME] = value

    @rule(who=st.integers(0, 2), whose=st.integers(0, 2))
    def choose_a_password(self, who: int, whose: int) -> None:
        """With one's own page, or with what another browser's page said."""
        browser, seen = self.browsers[who], self.browsers[whose].page
        if seen is None:
            return
        new = {"new_password": "Winter-ist-kalt-7", "new_password_again": "Winter-ist-kalt-7"}
        if "/recover/password/plain" in seen.forms:
            self._post(who, "/recover/password/plain", seen.forms["/recover/password/plain"] | new)
        elif "sealing" in seen.data and (own := browser.walker.get("/recover/")).forms:
            token = own.forms["/recover/"]["csrfmiddlewaretoken"]
            sealing = seen.data["sealing"]
            body = {"step": sealing["step"], "request_id": sealing["request_id"]}
            browser.walker.client.post(
                "/recover/password",
                body | {"boxes": boxes_for(seen, "Winter-ist-kalt-7")},
                content_type="application/json",
                headers={"X-CSRFToken": token},
            )

    @rule()
    def the_agent_works(self) -> None:
        waiting = WritebackRequest.objects.filter(state="queued").first()
        if waiting is not None and waiting.operation == "inspect":
            self.world.directory.inspect(self.world.people["ada"])
        elif waiting is not None and waiting.operation == "reset":
            self.world.directory.write()

    # --- what must hold

    @invariant()
    def no_gate_is_open_without_its_proof(self) -> None:
        for recovery in Recovery.objects.all():
            true = self.true.get(recovery.id, set())
            assert set(recovery.gates_opened) <= {GATES[method] for method in true}
            if recovery.state in ("inspect", "choose", "write", "done", "unsure"):
                assert len(recovery.gates_opened) >= self.gates, recovery.state
            assert recovery.person is not None or recovery.state in ("prove", "expired")

    @invariant()
    def nothing_is_done_to_an_account_without_it(self) -> None:
        whole = {
            recovery.person_id
            for recovery in Recovery.objects.all()
            if len({GATES[method] for method in self.true.get(recovery.id, set())}) >= self.gates
        }
        cleo, ada = self.world.people["cleo"], self.world.people["ada"]
        if cleo.id not in whole:
            assert CloudPassword.objects.get(person=cleo).hash == self.world.kept
        if ada.id not in whole:
            assert not self.world.directory.written
            assert not WritebackRequest.objects.exclude(operation="inspect").exists()
        looked_at = {r.person_id for r in Recovery.objects.all() if self.true.get(r.id)}
        assert set(WritebackRequest.objects.values_list("person_id", flat=True)) <= looked_at

    def _post(self, who: int, path: str, fields: dict[str, str]) -> None:
        """Posts with this browser's own CSRF token, and notes beforehand whether it is a true proof."""
        browser = self.browsers[who]
        cookie = browser.walker.client.cookies.get(django_settings.CSRF_COOKIE_NAME)
        if cookie is None:
            return
        recovery, method = browser.recovery, path.removeprefix("/recover/").rstrip("/")
        true = recovery is not None and method in GATES and self._is_proof(recovery, method, fields.get("code", ""))
        if true and recovery is not None:
            self.true.setdefault(recovery.id, set()).add(method)
        before, opened = browser.session, list(recovery.gates_opened) if recovery else []
        page = browser.walker.post(path, fields | {"csrfmiddlewaretoken": cookie.value})
        if true and recovery is not None:
            browser.proved.add(browser.session)
            grown = Recovery.objects.get(id=recovery.id).gates_opened != opened
            assert not grown or browser.session != before  # whoever knew the old session does not know this one
        self._see(who, page)

    def _is_proof(self, recovery: Recovery, method: str, code: str) -> bool:
        if recovery.person is None:
            return False
        if method == "email":
            return code.replace(" ", "") == (self._mailed(recovery) or "-").replace(" ", "")
        name = next(name for name, person in self.world.people.items() if person.id == recovery.person_id)
        app = pyotp.TOTP(self.world.apps[name])
        return any(code == app.at(timezone.now() + timedelta(seconds=30 * step)) for step in range(-3, 4))

    @staticmethod
    def _mailed(recovery: Recovery) -> str | None:
        """The newest code that reached the mailbox of this recovery's person."""
        sent = [mail for mail in mails(tracking_id=recovery.id) if CODE.search(mail["text"])]
        found = CODE.search(sent[-1]["text"]) if sent else None
        return found.group(1) if found else None

    def _see(self, who: int, page: Page) -> None:
        browser = self.browsers[who]
        browser.page = page
        assert page.status < 500, page.text
        self.forms += [(path, fields) for path, fields in page.forms.items() if path.startswith("/recover/")][:4]
        del self.forms[:-40]
        if browser.session and browser.session not in browser.sessions:
            browser.sessions.append(browser.session)
        if page.heading == CHOOSE:
            # Nobody gets here with a session that somebody may have known before the proof.
            assert browser.session in browser.proved


@pytest.fixture
def world(organization: Organization, make_ada: Callable[..., Person], cleo: Person, directory: FakeDirectory) -> World:
    # So many tries that no limit stops the walk: they have tests of their own. A code still has its five.
    organization.limits = {name: {"limit": 100_000, "window": 3600, "block": None} for name in known()}
    organization.save()
    people, apps = {"ada": make_ada(), "cleo": cleo}, {}
    for name, person in people.items():
        secret, now = new_secret(), timezone.now()
        earlier = pyotp.TOTP(secret).at(now - timedelta(seconds=30))
        assert add_app(person, secret, earlier, label="App", by="self", now=now)
        apps[name] = secret
    return World(organization, people, apps, directory)


def walk(world: World, examples: int, steps: int) -> None:
    machine: Any = type("RoadHere", (Road,), {"world": world})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            phases=[Phase.generate],  # tokens differ from run to run: nothing could be shrunk
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_no_mutation_opens_a_gate(world: World) -> None:
    walk(world, examples=12, steps=30)


@pytest.mark.scale
@pytest.mark.timeout(3600)
def test_no_mutation_opens_a_gate_in_a_long_search(world: World) -> None:
    walk(world, examples=400, steps=60)


def test_the_walk_reaches_what_it_is_about(world: World) -> None:
    """The machine's own rules, in the order of an honest person: gates open and passwords are written, so that the
    search above does not pass because it never gets anywhere."""
    road = type("RoadHere", (Road,), {"world": world})()
    try:
        road.policy(gates=2)
        for person, who in (("cleo", 0), ("ada", 1)):
            road.identify(who, person, on=False)
            road.have_a_code_sent(who)
            road.type_a_mailed_code(who, who)
            road.type_a_code_of_somebodys_app(who, person, 0)
            road.the_agent_works()
            road.go_anywhere(who, "/recover/password")
            road.choose_a_password(who, who)
            road.the_agent_works()
            road.no_gate_is_open_without_its_proof()
            road.nothing_is_done_to_an_account_without_it()
        assert world.directory.written == ["Winter-ist-kalt-7"]
        assert not verify_password(world.people["cleo"], OLD_PASSWORD)
    finally:
        road.teardown()
