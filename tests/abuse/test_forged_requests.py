"""A forged or replayed request, a moved box, an agent that is unconfirmed, revoked or of another organization:
each is refused, each leaves its event, and the directory holds what it held.

The forger here can write the whole database, and has every box that ever passed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import lab
from keyback.agent.clock import SystemClock
from keyback.agent.events import read_events
from keyback.agent.exchange import Refused, http_client
from keyback.agent.identity import load_identity
from keyback.agent.keys import KeyStore
from keyback.agent.link import Link
from keyback.agent.proxies import ProxyConfig
from keyback.protocol.encoding import b64decode
from keyback.protocol.messages import Before, BoxRef, Envelope, Flags, Operation, Outcome, WriteIntent, parse
from keyback.protocol.outcomes import OutcomeCode
from keyback.protocol.sealing import Sealed, box_info, load_unseal_key, seal
from keyback.protocol.signing import sign_envelope
from lab import api
from lab.api import SignIn
from lab.people import INITIAL_PASSWORD, Person
from lab.stack import AgentProcess
from tests.support.person import PersonAtBrowser
from tests.support.smtp import Sink
from tests.support.waiting import wait_until
from tests.support.whole import Whole, build, fresh_password, start_agent

FORGED = "Forged-by-Eve-77"


@pytest.fixture(scope="module")
def forged(tmp_path_factory: pytest.TempPathFactory, forest: lab.Forest, mail: Sink) -> Iterator[Whole]:
    """A Keyback with two confirmed agents, of which the second runs only where a test starts it."""
    built = build(tmp_path_factory.mktemp("forged"), forest, mail)
    try:
        built.stack.onboard("agent-two")
        yield built
    finally:
        built.stack.stop()


@pytest.fixture
def victim(forged: Whole) -> Person:
    return forged.take()


@pytest.fixture
def second(forged: Whole) -> Iterator[AgentProcess]:
    """The second agent alone."""
    agent = forged.stack.agents["agent-two"]
    forged.agent.stop()
    yield agent
    agent.stop()
    forged.restart_agent()


class Row:
    """A request's row and its boxes, as a forger with the database's password reads and writes them."""

    def __init__(self, whole: Whole, request_id: UUID) -> None:
        self.whole = whole
        self.id = request_id

    def read(self, column: str) -> Any:
        [[value]] = self.whole.sql(
            f"SELECT {column} FROM writeback_writebackrequest WHERE id = ?",  # noqa: S608 — a column's name of this file
            self.id.hex,
        )
        return value

    def write(self, **columns: object) -> None:
        assignments = ", ".join(f"{name} = ?" for name in columns)
        self.whole.sql(
            f"UPDATE writeback_writebackrequest SET {assignments} WHERE id = ?",  # noqa: S608 — as above
            *columns.values(),
            self.id.hex,
        )

    def queue_again(self, boxes: dict[UUID, tuple[str, bytes]]) -> None:
        self.put_boxes(boxes)  # before it is queued: the portal tells the agents of it once
        self.write(
            state="queued",
            claimed_by_id=None,
            writer_id=None,
            writing_fence=None,
            before=None,
            outcome=None,
            outcome_code="",
            outcome_by_id=None,
            finished_at=None,
            expires_at=_soon(),
            deadline=_soon(),
        )

    def put_boxes(self, boxes: dict[UUID, tuple[str, bytes]]) -> None:
        self.whole.sql("DELETE FROM writeback_sealedbox WHERE request_id = ?", self.id.hex)
        for agent, (key, box) in boxes.items():
            self.whole.sql(
                "INSERT INTO writeback_sealedbox (organization_id, request_id, agent_id, key, box) "
                "VALUES (?, ?, ?, ?, ?)",
                self.read("organization_id"),
                self.id.hex,
                agent.hex,
                key,
                box,
            )

    def boxes(self) -> dict[UUID, tuple[str, bytes]]:
        found = self.whole.sql("SELECT agent_id, key, box FROM writeback_sealedbox WHERE request_id = ?", self.id.hex)
        return {UUID(agent): (key, bytes(box)) for agent, key, box in found}

    def insert(self, envelope: Envelope, signature: bytes, boxes: dict[UUID, tuple[str, bytes]]) -> None:
        """A row that the people's door never made."""
        [[person]] = self.whole.sql("SELECT id FROM people_person WHERE object_guid = ?", envelope.object_guid.hex)
        columns: dict[str, object] = {
            "id": self.id.hex,
            "organization_id": envelope.organization_id.hex,
            "forest_id": envelope.forest_id.hex,
            "person_id": person,
            "tracking_id": envelope.tracking_id.hex,
            "operation": envelope.operation.value,
            "state": "expired",
            "envelope": envelope.to_bytes(),
            "signature": signature,
            "fence": 0,
            "expires_at": _soon(),
            "deadline": _soon(),
            "created_at": _soon(0),
            "outcome_code": "",
            "late_outcomes": "[]",
        }
        self.whole.sql(
            f"INSERT INTO writeback_writebackrequest ({', '.join(columns)}) "  # noqa: S608 — as above
            f"VALUES ({', '.join('?' * len(columns))})",
            *columns.values(),
        )
        self.put_boxes(boxes)
        self.write(state="queued")

    def wait_for_end(self) -> str:
        """The outcome's code, once there is one."""
        return str(wait_until(lambda: self.read("outcome_code"), timeout=20, what="the forgery's end"))


def _soon(seconds: int = 50) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S.%f")


class Witness:
    """The directory, before and after."""

    def __init__(self, whole: Whole, person: Person) -> None:
        self._whole = whole
        self._person = person
        self._version = api.password_version(whole.forest, person.account)

    def holds(self, password: str, *, written: int = 0) -> None:
        forest, account = self._whole.forest, self._person.account
        assert api.password_version(forest, account) == self._version + written
        assert api.kinit(forest, account, password) is SignIn.OK
        assert api.kinit(forest, account, FORGED) is not SignIn.OK
        assert len([event for event in self._whole.resets_of(self._person) if event.by_service]) == written


@pytest.fixture
def witness(forged: Whole, victim: Person) -> Witness:
    return Witness(forged, victim)


def _forgery(whole: Whole, victim: Person, **changed: Any) -> tuple[Envelope, dict[UUID, tuple[str, bytes]]]:
    """What somebody who can read the database can make for the victim: all but the signature."""
    [[guid, organization, forest]] = whole.sql(
        "SELECT object_guid, organization_id, forest_id FROM people_person WHERE user_id = ?", whole.user_id(victim)
    )
    given = {
        "request_id": uuid4(),
        "tracking_id": uuid4(),
        "organization_id": UUID(organization),
        "forest_id": UUID(forest),
        "object_guid": UUID(guid),
        "operation": Operation.RESET,
        "flags": Flags(unlock=True),
        "initiator": "self",
        "deadline": int(time.time()) + 600,
        **changed,
    }
    envelope = Envelope(**given)
    boxes = {}
    for agent, key, public in whole.sql("SELECT agent_id, key, public FROM agents_unsealingkey"):
        info = box_info(envelope, UUID(agent), key)
        boxes[UUID(agent)] = (key, seal(Sealed(new=FORGED), load_unseal_key(bytes(public)), info))
    refs = {agent: BoxRef(key=key, sha256=_sha256(box)) for agent, (key, box) in boxes.items()}
    return envelope.model_copy(update={"boxes": refs}), boxes


def _sha256(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("operation", [Operation.RESET, Operation.UNLOCK, Operation.EXPIRE])
@pytest.mark.parametrize("signed", ["not at all", "by another key"])
def test_a_request_written_into_the_database(
    forged: Whole, victim: Person, witness: Witness, signed: str, operation: Operation
) -> None:
    envelope, boxes = _forgery(forged, victim, operation=operation)
    signature = bytes(64)
    if signed == "by another key":
        signature = sign_envelope(Ed25519PrivateKey.generate(), envelope.to_bytes())
    row = Row(forged, envelope.request_id)
    row.insert(envelope, signature, boxes)
    assert row.wait_for_end() == "invalid_request"
    event = forged.wait_for_event(str(envelope.tracking_id), "32003")
    assert event["id"] == "32003"
    witness.holds(INITIAL_PASSWORD)


def test_a_real_signature_on_another_request(forged: Whole, victim: Person, witness: Witness) -> None:
    """The victim's own signature, put on an envelope with the forger's password."""
    request_id, _ = _reset(forged, victim, password := fresh_password())
    envelope, boxes = _forgery(forged, victim)
    row = Row(forged, envelope.request_id)
    row.insert(envelope, bytes(Row(forged, request_id).read("signature")), boxes)
    assert row.wait_for_end() == "invalid_request"
    forged.wait_for_event(str(envelope.tracking_id), "32003")
    witness.holds(password, written=1)


# --- replays


def _reset(whole: Whole, person: Person, password: str) -> tuple[UUID, dict[UUID, tuple[str, bytes]]]:
    """A real reset to its end; its number, and its boxes, which the forger copied while they were there."""
    with whole.browser() as browser:
        browser.reach_choose(whole.user_id(person), person.mail_address)
        request_id, boxes = _sealed(browser, password)
        assert browser.outcome().title == "Your password is changed"
    return request_id, boxes


def _sealed(browser: PersonAtBrowser, password: str) -> tuple[UUID, dict[UUID, tuple[str, bytes]]]:
    sealed = browser.seal(password)
    assert browser.page is not None
    keys = {target["agent"]: target["key"] for target in browser.page.json["sealing"]["targets"]}
    assert browser.send(sealed).status_code == 200
    boxes = {UUID(agent): (keys[agent], b64decode(box)) for agent, box in sealed["boxes"].items()}
    return UUID(sealed["request_id"]), boxes


def test_an_old_request_put_back_for_the_same_agent(forged: Whole, victim: Person, witness: Witness) -> None:
    request_id, boxes = _reset(forged, victim, old := fresh_password())
    _reset(forged, victim, new := fresh_password())
    assert old != new
    row = Row(forged, request_id)
    row.queue_again(boxes)
    # It knows the number: what it said before is all that it ever says, and nobody was granted this write.
    forged.wait_for_event(str(UUID(row.read("tracking_id"))), "32003")
    wait_until(lambda: json.loads(row.read("late_outcomes")), timeout=20, what="the agent's answer")
    row.write(state="expired")
    witness.holds(new, written=2)


def test_an_old_request_put_back_for_a_second_agent(forged: Whole, victim: Person, witness: Witness) -> None:
    request_id, boxes = _reset(forged, victim, fresh_password())
    _reset(forged, victim, new := fresh_password())
    row = Row(forged, request_id)
    tracking_id = str(UUID(row.read("tracking_id")))
    second = forged.stack.agents["agent-two"]
    forged.agent.stop()
    row.queue_again(boxes)
    start_agent(second, forged.stack)
    try:
        assert row.wait_for_end() == "stale"
        forged.wait_for_event(tracking_id, "42013", second)
    finally:
        second.stop()
        forged.restart_agent()
    witness.holds(new, written=2)


def test_an_old_request_put_back_under_a_new_number(forged: Whole, victim: Person, witness: Witness) -> None:
    request_id, boxes = _reset(forged, victim, fresh_password())
    _reset(forged, victim, new := fresh_password())
    old = Row(forged, request_id)
    envelope = parse(Envelope, bytes(old.read("envelope")))
    copy = Row(forged, uuid4())
    copy.insert(envelope, bytes(old.read("signature")), boxes)
    forged.wait_for_event(str(envelope.tracking_id), "32003")
    wait_until(lambda: copy.read("fence") > 0, timeout=20, what="the agent to see it")
    copy.write(state="expired")
    witness.holds(new, written=2)


@pytest.mark.parametrize("state", ["unresolved", "writing"])
def test_an_old_request_put_back_to_be_resolved(forged: Whole, victim: Person, witness: Witness, state: str) -> None:
    """Resolving looks, and may bind once; it never writes."""
    request_id, boxes = _reset(forged, victim, fresh_password())
    before = Row(forged, request_id).read("before")
    _reset(forged, victim, new := fresh_password())
    row = Row(forged, request_id)
    row.queue_again(boxes)
    row.write(state=state, before=before, resolve_until=_soon(), lease_until=_soon(-1))
    row.wait_for_end()
    witness.holds(new, written=2)


# --- boxes


def test_a_box_moved_to_another_request(forged: Whole, victim: Person, witness: Witness) -> None:
    """The forger's own box, well sealed for the forger's own request, in the place of the victim's."""
    eve = forged.take()
    forged.agent.stop()
    try:
        with forged.browser() as of_eve, forged.browser() as of_victim:
            start_agent(forged.agent, forged.stack)
            of_eve.reach_choose(forged.user_id(eve), eve.mail_address)
            of_victim.reach_choose(forged.user_id(victim), victim.mail_address)
            forged.agent.stop()
            eves, boxes_of_eve = _sealed(of_eve, FORGED)
            victims, _ = _sealed(of_victim, fresh_password())
            Row(forged, victims).put_boxes(boxes_of_eve)
            start_agent(forged.agent, forged.stack)
            page = of_victim.outcome()
    finally:
        if not forged.agent.running:
            start_agent(forged.agent, forged.stack)
    assert page.refusal
    assert Row(forged, victims).read("outcome_code") == "invalid_request"
    forged.wait_for_event(str(UUID(Row(forged, victims).read("tracking_id"))), "32003")
    witness.holds(INITIAL_PASSWORD)
    assert Row(forged, eves).wait_for_end() == "done"  # hers is as it was


# --- agents


def _link(agent: AgentProcess, url: str) -> Link:
    """Calls in this agent's name, with its own keys."""
    state = Path(agent.config).parent / "state"
    clock = SystemClock()
    keys = KeyStore.load(state / "keys", timedelta(days=1))
    return Link(http_client(None, ProxyConfig()), load_identity(state), url, keys.sign, clock)


def test_an_agent_that_nobody_confirmed(forged: Whole, victim: Person, witness: Witness) -> None:
    pending = forged.stack.onboard("agent-pending", confirm=False)
    try:
        pending.start()
        wait_until(lambda: _logged(pending, "42017"), timeout=20, what="event 42017")
        with pytest.raises(Refused, match="agent_pending"):
            _link(pending, forged.url).poll(uuid4(), 1, [], 0)
        with forged.browser() as browser:
            page = browser.reach_choose(forged.user_id(victim), victim.mail_address)
            assert _agent_id(pending) not in {UUID(target["agent"]) for target in page.json["sealing"]["targets"]}
    finally:
        pending.stop()
        del forged.stack.agents["agent-pending"]
    witness.holds(INITIAL_PASSWORD)


def test_an_agent_that_only_the_database_confirmed_gets_no_box(forged: Whole, victim: Person, witness: Witness) -> None:
    pending = forged.stack.onboard("agent-bent", confirm=False)
    forged.sql("UPDATE agents_agent SET state = 'confirmed' WHERE id = ?", _agent_id(pending).hex)
    try:
        with forged.browser() as browser:
            page = browser.reach_choose(forged.user_id(victim), victim.mail_address)
            targets = {UUID(target["agent"]) for target in page.json["sealing"]["targets"]}
    finally:
        forged.sql("UPDATE agents_agent SET state = 'pending' WHERE id = ?", _agent_id(pending).hex)
        del forged.stack.agents["agent-bent"]
    assert _agent_id(pending) not in targets
    assert _agent_id(forged.agent) in targets
    witness.holds(INITIAL_PASSWORD)


def test_a_key_that_only_the_database_names_is_sealed_for_by_nobody(forged: Whole, victim: Person) -> None:
    """A newer key in a confirmed agent's name, of which the forger has the private half."""
    stolen = KeyStore.create(forged.stack.directory / "agent-two", timedelta(days=1), datetime.now(UTC)).newest()
    agent = _agent_id(forged.agent)
    columns = [name for _, name, *_ in forged.sql("PRAGMA table_info(agents_unsealingkey)") if name != "id"]
    [row] = forged.sql(
        f"SELECT {', '.join(columns)} FROM agents_unsealingkey WHERE agent_id = ?",  # noqa: S608 — as above
        agent.hex,
    )
    fake = dict(zip(columns, row, strict=True)) | {
        "key": stolen.key,
        "public": b64decode(stolen.public),
        "created_at": _soon(),
    }
    forged.sql(
        f"INSERT INTO agents_unsealingkey ({', '.join(fake)}) VALUES ({', '.join('?' * len(fake))})",  # noqa: S608
        *fake.values(),
    )
    try:
        with forged.browser() as browser:
            page = browser.reach_choose(forged.user_id(victim), victim.mail_address)
            assert stolen.key not in {target["key"] for target in page.json["sealing"]["targets"]}
    finally:
        forged.sql("DELETE FROM agents_unsealingkey WHERE key = ?", stolen.key)


def test_a_revoked_agent(forged: Whole, victim: Person, witness: Witness) -> None:
    doomed = forged.stack.onboard("agent-revoked")
    try:
        start_agent(doomed, forged.stack)
        with forged.browser() as browser:
            browser.reach_choose(forged.user_id(victim), victim.mail_address)
            forged.stack.keyback("agents", "revoke", forged.stack.slug, "agent-revoked")
            wait_until(lambda: _logged(doomed, "42018"), timeout=20, what="event 42018")
            with pytest.raises(Refused, match="agent_revoked"):
                _link(doomed, forged.url).poll(uuid4(), 1, [], 0)
            # What was sealed before for it too is taken by the one that is left.
            browser.submit(password := fresh_password())
            assert browser.outcome().title == "Your password is changed"
    finally:
        doomed.stop()
        del forged.stack.agents["agent-revoked"]
    witness.holds(password, written=1)


def test_an_agent_of_another_organization(forged: Whole, victim: Person, witness: Witness, mail: Sink) -> None:
    stack = forged.stack
    stack.keyback("org", "create", "Elsewhere", "--slug", "elsewhere", "--admin-mail", "admin@elsewhere.test")
    slug, stack.slug = stack.slug, "elsewhere"
    try:
        stranger = stack.onboard("agent-stranger")
    finally:
        stack.slug = slug
        stack.agents.pop("agent-stranger", None)
    link = _link(stranger, forged.url)
    with forged.browser() as browser:
        page = browser.reach_choose(forged.user_id(victim), victim.mail_address)
        assert _agent_id(stranger) not in {UUID(target["agent"]) for target in page.json["sealing"]["targets"]}
        forged.agent.stop()
        try:
            request_id, _ = _sealed(browser, password := fresh_password())
            assert link.poll(uuid4(), 8, [], 0).work == []
            before = Before(
                server="dc1",
                invocation_id=uuid4(),
                object_guid=_forgery(forged, victim)[0].object_guid,
                password_version=1,
                pwd_last_set_version=1,
            )
            for fence in (0, 1, 2):
                assert not link.ask_to_write(request_id, WriteIntent(fence=fence, before=before)).granted
                with pytest.raises(Refused, match="no_such_request"):
                    link.report(Outcome(request_id=request_id, fence=fence, code=OutcomeCode.DONE))
            assert Row(forged, request_id).read("state") == "queued"
        finally:
            start_agent(forged.agent, forged.stack)
        assert browser.outcome().title == "Your password is changed"
    witness.holds(password, written=1)


def _agent_id(agent: AgentProcess) -> UUID:
    return load_identity(Path(agent.config).parent / "state").agent_id


def _logged(agent: AgentProcess, id_: str) -> bool:
    return any(event.id == id_ for event in read_events(Path(agent.config).parent / "state"))
