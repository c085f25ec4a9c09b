"""Requests that the people's door did not make for this agent: refused with an event, and nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.lab.agent.desk import Desk, Order

from keyback.agent.keys import KeyStore
from keyback.protocol.encoding import b64encode
from keyback.protocol.messages import Flags, Operation
from keyback.protocol.outcomes import OutcomeCode
from keyback.protocol.signing import sign_envelope
from lab import Forest, api

pytestmark = pytest.mark.lab

NEW = "Wholly-New-Pa55word"
GuidOf = Callable[[str], UUID]


@pytest.fixture
def version(forest: Forest) -> Callable[[], int]:
    return lambda: api.password_version(forest, "alan")


def assert_refused(desk: Desk, order: Order, code: OutcomeCode, events: list[str]) -> None:
    assert desk.do(order).code is code
    assert desk.story(order) == events
    assert desk.intents == []


def test_a_request_signed_by_another_key_is_refused(desk: Desk, guid_of: GuidOf, version: Callable[[], int]) -> None:
    before = version()
    order = desk.order(guid_of("alan"), Operation.RESET, NEW)
    forged = replace(order, signature=sign_envelope(Ed25519PrivateKey.generate(), order.envelope.to_bytes()))
    assert_refused(desk, forged, OutcomeCode.INVALID_REQUEST, ["32003"])
    assert version() == before


@pytest.mark.parametrize(
    "changed",
    [
        {"object_guid": uuid4()},
        {"deadline": 2_100_000_000},
        {"flags": Flags(unlock=True, must_change=True)},
        {"operation": Operation.UNLOCK},
        {"initiator": f"admin:{uuid4()}"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_request_that_was_altered_after_signing_is_refused(
    desk: Desk, guid_of: GuidOf, changed: dict[str, object]
) -> None:
    order = desk.order(guid_of("alan"), Operation.RESET, NEW)
    altered = replace(order, envelope=order.envelope.model_copy(update=changed))
    assert_refused(desk, altered, OutcomeCode.INVALID_REQUEST, ["32003"])


@pytest.mark.parametrize("field", ["organization_id", "forest_id"])
def test_a_request_of_another_organization_or_forest_is_refused(desk: Desk, guid_of: GuidOf, field: str) -> None:
    order = desk.order(guid_of("alan"), Operation.RESET, NEW, **{field: uuid4()})
    assert_refused(desk, order, OutcomeCode.INVALID_REQUEST, ["32003"])


def test_another_requests_box_is_refused(desk: Desk, guid_of: GuidOf) -> None:
    order = desk.order(guid_of("alan"), Operation.RESET, NEW)
    other = desk.order(guid_of("grace"), Operation.RESET, NEW)
    assert_refused(desk, replace(order, box=other.box), OutcomeCode.INVALID_REQUEST, ["32003"])


def test_a_box_moved_to_a_well_signed_request_does_not_open(
    desk: Desk, guid_of: GuidOf, version: Callable[[], int]
) -> None:
    """Even the people's door itself cannot use what was sealed for one person on another."""
    before = version()
    order = desk.order(guid_of("grace"), Operation.RESET, NEW, object_guid=guid_of("alan"))
    assert_refused(desk, order, OutcomeCode.UNOPENABLE, ["31001", "32004", "31003"])
    assert version() == before


def test_a_box_for_a_key_that_this_agent_does_not_have_is_unopenable(desk: Desk, guid_of: GuidOf) -> None:
    order = desk.order(guid_of("alan"), Operation.RESET, NEW)
    desk.keys = KeyStore.create(desk.folder, timedelta(days=1), desk.clock.now())
    desk.close()
    desk.start()
    assert_refused(desk, order, OutcomeCode.UNOPENABLE, ["31001", "32004", "31003"])


def test_a_reset_without_a_box_is_unopenable(desk: Desk, guid_of: GuidOf) -> None:
    assert_refused(desk, desk.order(guid_of("alan")), OutcomeCode.UNOPENABLE, ["31001", "32004", "31003"])


def test_bytes_that_are_no_request_are_told_and_not_answered(desk: Desk, guid_of: GuidOf) -> None:
    work = desk.order(guid_of("alan"), Operation.RESET, NEW).work()
    desk.agent.carry_out(work.model_copy(update={"envelope": b64encode(b"\xff not json")}))
    assert desk.outcomes == []
    assert [event.id for event in desk.events()] == ["32003"]


def test_a_replayed_request_is_answered_from_the_journal_and_not_written_again(
    forest: Forest, desk: Desk, guid_of: GuidOf, version: Callable[[], int]
) -> None:
    order = desk.order(guid_of("alan"), Operation.RESET, NEW + str(version()))
    first = desk.do(order, fence=1)
    written = version()

    again = desk.do(order, fence=7)
    desk.close()
    desk.start()
    after_restart = desk.do(order, fence=8)

    assert first.code is OutcomeCode.DONE
    assert again == first.model_copy(update={"fence": 7})
    assert after_restart == first.model_copy(update={"fence": 8})
    assert version() == written
    # Once the journal holds that the portal knows, who sends it again is not the portal's own repetition.
    assert desk.story(order) == ["31001", "31002", "32003"]
    assert len(desk.intents) == 1


def test_a_forgery_with_the_number_of_a_real_request_does_not_end_it(desk: Desk, guid_of: GuidOf) -> None:
    order = desk.order(guid_of("grace"), Operation.RESET, "Genuine-Pa55word-1")
    desk.do(order)
    desk.agent.carry_out(replace(order, signature=bytes(64)).work(fence=9))
    assert len(desk.outcomes) == 1
