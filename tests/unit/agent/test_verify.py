"""What the agent believes: a request that the people's door signed for it, to the last bit."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyback.agent.config import Limits, Passwords
from keyback.agent.events import EventLog
from keyback.agent.identity import Identity
from keyback.agent.journal import Journal
from keyback.agent.keys import KeyStore
from keyback.agent.screen import Screen
from keyback.agent.switch import Switch
from keyback.agent.writeback import Writeback
from keyback.protocol.encoding import b64encode
from keyback.protocol.messages import (
    BoxRef,
    Envelope,
    Operation,
    Outcome,
    OutcomeReceipt,
    Work,
    WriteGrant,
    WriteIntent,
)
from keyback.protocol.outcomes import OutcomeCode
from keyback.protocol.signing import sign_envelope

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PORTAL = Ed25519PrivateKey.generate()
AGENT, ORGANIZATION, FOREST = uuid4(), uuid4(), uuid4()
BOX = bytes(4177)


class FixedClock:
    def now(self) -> datetime:
        return NOW

    def elapsed(self) -> float:
        return 0.0


class Silent:
    """A portal that only listens."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def ask_to_write(self, request_id: UUID, intent: WriteIntent) -> WriteGrant:
        raise AssertionError("nothing here may be written")

    def report(self, outcome: Outcome) -> OutcomeReceipt:
        self.outcomes.append(outcome)
        return OutcomeReceipt(result="recorded")


@pytest.fixture
def portal() -> Silent:
    return Silent()


@pytest.fixture
def agent(tmp_path: Path, portal: Silent) -> Writeback:
    """It serves a forest that its file does not have, so that whatever is believed ends as *configuration*."""
    identity = Identity(
        agent_id=AGENT,
        organization_id=ORGANIZATION,
        organization="Example",
        name="agent",
        portal="https://portal.example.test",
        portal_key=PORTAL.public_key(),
        audience="https://portal.example.test/agents/v1/token",
        fingerprint="",
        forests={FOREST: "corp.example.test"},
    )
    events = EventLog(tmp_path, FixedClock())
    return Writeback(
        identity=identity,
        keys=KeyStore.create(tmp_path, timedelta(days=1), NOW),
        forests={},
        switch=Switch(tmp_path, ["corp.example.test"]),
        limits=Limits(),
        journal=Journal(tmp_path / "journal.sqlite"),
        screen=Screen(Passwords(), identity=identity, state_dir=tmp_path, events=events),
        events=events,
        portal=portal,
        clock=FixedClock(),
    )


def envelope() -> Envelope:
    return Envelope(
        request_id=uuid4(),
        tracking_id=uuid4(),
        organization_id=ORGANIZATION,
        forest_id=FOREST,
        object_guid=uuid4(),
        operation=Operation.RESET,
        initiator="self",
        deadline=2_000_000_000,
        boxes={AGENT: BoxRef(key="k", sha256=hashlib.sha256(BOX).hexdigest())},
    )


def work(raw: bytes, signature: bytes, box: bytes | None = BOX) -> Work:
    return Work(
        kind="execute",
        request_id=uuid4(),
        fence=1,
        envelope=b64encode(raw),
        signature=b64encode(signature),
        box=None if box is None else b64encode(box),
        remaining_ms=1000,
    )


def test_a_genuine_request_is_believed(agent: Writeback, portal: Silent) -> None:
    raw = envelope().to_bytes()
    agent.carry_out(work(raw, sign_envelope(PORTAL, raw)))
    assert [outcome.code for outcome in portal.outcomes] == [OutcomeCode.CONFIGURATION]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_one_changed_byte_anywhere_and_nothing_is_believed(
    agent: Writeback, portal: Silent, data: st.DataObject
) -> None:
    raw = envelope().to_bytes()
    parts = {"raw": bytearray(raw), "signature": bytearray(sign_envelope(PORTAL, raw)), "box": bytearray(BOX)}
    part = parts[data.draw(st.sampled_from(sorted(parts)))]
    place = data.draw(st.integers(0, len(part) - 1))
    part[place] ^= data.draw(st.integers(1, 255))
    agent.carry_out(work(bytes(parts["raw"]), bytes(parts["signature"]), bytes(parts["box"])))
    assert {outcome.code for outcome in portal.outcomes} <= {OutcomeCode.INVALID_REQUEST}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=300), signature=st.binary(max_size=80), box=st.none() | st.binary(max_size=100))
def test_any_bytes_at_all_are_survived(
    agent: Writeback, portal: Silent, raw: bytes, signature: bytes, box: bytes | None
) -> None:
    agent.carry_out(work(raw, signature, box))
    assert portal.outcomes == []


def test_signed_bytes_that_are_no_request_are_refused(agent: Writeback, portal: Silent) -> None:
    for raw in (b"", b"{}", b"[]", b"\xff\xfe", b'{"v": 2}', envelope().to_bytes().replace(b'"v":1', b'"v":2')):
        agent.carry_out(work(raw, sign_envelope(PORTAL, raw)))
    assert portal.outcomes == []


def test_to_resolve_without_what_was_before_is_refused(agent: Writeback, portal: Silent) -> None:
    raw = envelope().to_bytes()
    agent.carry_out(work(raw, sign_envelope(PORTAL, raw)).model_copy(update={"kind": "resolve"}))
    assert [outcome.code for outcome in portal.outcomes] == [OutcomeCode.INVALID_REQUEST]
