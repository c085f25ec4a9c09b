"""A writeback request moves only by its table, whoever calls and however often."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings

from keyback.portal.agents.models import Agent, AgentForest, UnsealingKey
from keyback.portal.agents.registry import add_key, confirm
from keyback.portal.organizations.models import Forest, Organization
from keyback.portal.writeback.claims import answer_poll, may_have_work
from keyback.portal.writeback.models import SealedBox, WritebackRequest
from keyback.portal.writeback.preparation import (
    AlreadyWaiting,
    BoxesRefused,
    NoAgent,
    Preparation,
    prepare,
    submit,
    submit_unsealed,
)
from keyback.portal.writeback.requests import (
    NoSuchRequest,
    finish,
    grant_writing,
    outcome_recorded,
    release_agent,
    sweep,
)
from keyback.protocol.encoding import b64decode
from keyback.protocol.limits import CLAIM_LEASE, DIRECTORY_TIMEOUT, QUEUE_LIFE, WRITE_LEASE
from keyback.protocol.messages import Before, Envelope, Operation, Outcome, Poll, WriteGrant, WriteIntent, parse
from keyback.protocol.outcomes import OutcomeCode
from keyback.protocol.sealing import Sealed, load_unseal_key, open_box, seal, unseal_key_bytes
from keyback.protocol.signing import public_bytes, sign_unsealing_key, verify_envelope
from tests.portal.agents import unseal_key
from tests.portal.people import directory_person

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
BOOT = uuid.UUID(int=1)
SECOND_BOOT = uuid.UUID(int=2)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


class Place:
    """An organization with one forest, one person, and two confirmed agents."""

    def __init__(self, slug: str = "example") -> None:
        self.organization = Organization.objects.create(name=slug, slug=slug, created_at=NOW)
        self.forest = Forest.objects.create(organization=self.organization, name=f"corp.{slug}.test")
        self.person = directory_person(
            organization=self.organization,
            forest=self.forest,
            object_guid=uuid.uuid4(),
            user_id=f"ada@{slug}.test",
        )
        self.keys: dict[uuid.UUID, ec.EllipticCurvePrivateKey] = {}
        self.first = self.agent("first")
        self.second = self.agent("second")

    def agent(self, name: str) -> Agent:
        sign = Ed25519PrivateKey.generate()
        agent = Agent.objects.create(
            organization=self.organization,
            name=name,
            sign_public=public_bytes(sign),
            fingerprint="",
            created_at=NOW,
        )
        AgentForest.objects.create(organization=self.organization, agent=agent, forest=self.forest)
        confirm(agent, "operator:test", NOW)
        self.keys[agent.id] = ec.generate_private_key(ec.SECP256R1())
        add_key(agent, unseal_key(sign, self.keys[agent.id], "k1"), NOW)
        return agent

    def prepared(self, operation: Operation = Operation.RESET) -> Preparation:
        return prepare(
            self.person, operation, tracking_id=uuid.uuid4(), deadline=after(900), now=NOW, password_version=3
        )

    def boxes(self, preparation: Preparation) -> dict[uuid.UUID, bytes]:
        return {
            target.agent_id: seal(
                Sealed(new="Correct-Horse-7"), load_unseal_key(target.public), preparation.info(target)
            )
            for target in preparation.targets
        }

    def submitted(self) -> WritebackRequest:
        preparation = self.prepared()
        return submit(preparation, self.boxes(preparation), self.person, NOW)

    def before(self) -> Before:
        guid = self.person.object_guid
        assert guid is not None
        return Before(
            server="ldaps://127.0.0.2",
            invocation_id=uuid.UUID(int=9),
            object_guid=guid,
            password_version=3,
            pwd_last_set_version=3,
        )

    def claimed(self) -> tuple[WritebackRequest, int]:
        request = self.submitted()
        (work,) = answer_poll(self.first, poll(BOOT), NOW)
        return request, work.fence

    def writing(self) -> tuple[WritebackRequest, int]:
        request, fence = self.claimed()
        assert grant(self.first, request, fence, self.before(), NOW).granted
        return request, fence


def poll(boot: uuid.UUID, holding: list[uuid.UUID] | None = None) -> Poll:
    return Poll(boot_id=boot, capacity=8, holding=holding)


def grant(agent: Agent, request: WritebackRequest, fence: int, before: Before, now: datetime) -> WriteGrant:
    return grant_writing(agent, request.id, WriteIntent(fence=fence, before=before), now)


def said(request: WritebackRequest, fence: int, code: OutcomeCode) -> Outcome:
    return Outcome(request_id=request.id, fence=fence, code=code)


def state_of(request: WritebackRequest) -> str:
    request.refresh_from_db()
    return request.state


@pytest.fixture
def place() -> Place:
    return Place()


@pytest.fixture
def heard() -> Iterator[list[tuple[str, str]]]:
    """State and outcome of every request that ended, in order."""
    ends: list[tuple[str, str]] = []

    def listen(sender: object, request: WritebackRequest, **rest: object) -> None:
        ends.append((request.state, request.outcome_code))

    outcome_recorded.connect(listen)
    yield ends
    outcome_recorded.disconnect(listen)


# --- submitting ----------------------------------------------------------------------------------------------------


def test_what_is_queued_is_signed_by_the_people_s_door_and_opens_at_its_agent(place: Place) -> None:
    request = place.submitted()
    (work,) = answer_poll(place.second, poll(BOOT), NOW)
    signed = b64decode(work.envelope)
    verify_envelope(settings.KEYRING.requests.public_key(), signed, b64decode(work.signature))
    envelope = parse(Envelope, signed)
    assert envelope.request_id == request.id and envelope.object_guid == place.person.object_guid
    box = b64decode(work.box or "")
    assert envelope.boxes[place.second.id].sha256 == hashlib.sha256(box).hexdigest()
    target = next(t for t in place.prepared().targets if t.agent_id == place.second.id)
    info = Preparation(envelope, (target,)).info(target)
    assert open_box(box, place.keys[place.second.id], info).new == "Correct-Horse-7"


def test_one_person_has_one_unfinished_request(place: Place) -> None:
    place.submitted()
    with pytest.raises(AlreadyWaiting):
        place.submitted()
    with pytest.raises(AlreadyWaiting):
        submit_unsealed(place.prepared(Operation.INSPECT), place.person, NOW)


def test_a_preparation_is_worth_one_submission(place: Place) -> None:
    preparation = place.prepared()
    request = submit(preparation, place.boxes(preparation), place.person, NOW)
    (work,) = answer_poll(place.first, poll(BOOT), NOW)
    finish(place.first, request.id, said(request, work.fence, OutcomeCode.POLICY), NOW)
    with pytest.raises(AlreadyWaiting):
        submit(preparation, place.boxes(preparation), place.person, NOW)


def test_boxes_must_be_exactly_those_that_were_prepared(place: Place) -> None:
    preparation = place.prepared()
    good = place.boxes(preparation)
    one = next(iter(good))
    for bad in ({}, {one: good[one]}, {**good, uuid.uuid4(): good[one]}, {**good, one: good[one][:-1]}):
        with pytest.raises(BoxesRefused):
            submit(preparation, bad, place.person, NOW)
    assert not WritebackRequest.objects.exists()


def test_without_a_confirmed_agent_nothing_is_prepared(place: Place) -> None:
    Agent.objects.filter(id=place.first.id).update(state=Agent.State.REVOKED)
    Agent.objects.filter(id=place.second.id).update(state=Agent.State.PENDING)
    with pytest.raises(NoAgent):
        place.prepared()


def test_rows_alone_make_nobody_a_target(place: Place) -> None:
    """Whoever can write the database could otherwise have every password sealed for a key of their own."""
    thief = Ed25519PrivateKey.generate()
    point = unseal_key_bytes(ec.generate_private_key(ec.SECP256R1()).public_key())
    row = {"key": "k2", "public": point, "created_at": after(1), "expires_at": after(86_400)}
    mine = {**row, "signature": sign_unsealing_key(thief, "k2", point)}
    UnsealingKey.objects.create(organization=place.organization, agent=place.first, **mine)
    invented = Agent.objects.create(
        organization=place.organization,
        name="invented",
        state=Agent.State.CONFIRMED,
        confirmation=place.first.confirmation,
        sign_public=public_bytes(thief),
        fingerprint="",
        created_at=NOW,
    )
    AgentForest.objects.create(organization=place.organization, agent=invented, forest=place.forest)
    UnsealingKey.objects.create(organization=place.organization, agent=invented, **mine)
    assert {(t.agent_id, t.key_id) for t in place.prepared().targets} == {
        (place.first.id, "k1"),
        (place.second.id, "k1"),
    }


def test_a_preparation_survives_as_json(place: Place) -> None:
    preparation = place.prepared()
    assert Preparation.from_json(preparation.to_json()) == preparation


# --- claiming ------------------------------------------------------------------------------------------------------


def test_a_request_is_claimed_once_and_every_claim_raises_the_fence(place: Place) -> None:
    _, fence = place.claimed()
    assert answer_poll(place.second, poll(BOOT), NOW) == []
    sweep(after(CLAIM_LEASE + 1))
    (again,) = answer_poll(place.second, poll(BOOT), after(CLAIM_LEASE + 1))
    assert again.fence > fence and again.kind == "execute"


def test_an_agent_gets_no_password_request_without_a_box_of_its_own(place: Place) -> None:
    place.submitted()
    assert answer_poll(place.agent("late"), poll(BOOT), NOW) == []


def test_an_agent_of_another_organization_gets_and_says_nothing(place: Place) -> None:
    request, fence = place.claimed()
    stranger = Place("other").first
    assert answer_poll(stranger, poll(BOOT), NOW) == []
    assert not grant(stranger, request, fence, place.before(), NOW).granted
    with pytest.raises(NoSuchRequest):
        finish(stranger, request.id, said(request, fence, OutcomeCode.DONE), NOW)


def test_a_restarted_agent_gets_back_what_it_had_claimed_without_waiting(place: Place) -> None:
    _, fence = place.claimed()
    (work,) = answer_poll(place.first, poll(SECOND_BOOT), NOW)
    assert work.kind == "execute" and work.fence > fence


def test_what_was_given_in_an_answer_that_got_lost_is_given_again_at_once(place: Place) -> None:
    request, fence = place.claimed()
    assert answer_poll(place.first, poll(BOOT, [request.id]), NOW) == []  # it is at it
    assert answer_poll(place.first, poll(BOOT), NOW) == []  # it does not tell
    assert may_have_work(place.first, poll(BOOT, []), NOW)
    assert not may_have_work(place.first, poll(BOOT, [request.id]), NOW)
    (again,) = answer_poll(place.first, poll(BOOT, []), NOW)
    assert again.request_id == request.id and again.fence > fence


# --- writing -------------------------------------------------------------------------------------------------------


def test_no_grant_with_an_old_fence_another_agent_another_object_or_another_before(place: Place) -> None:
    request, fence = place.claimed()
    before = place.before()
    moved = before.model_copy(update={"object_guid": uuid.uuid4()})
    assert not grant(place.first, request, fence - 1, before, NOW).granted
    assert not grant(place.second, request, fence, before, NOW).granted
    assert not grant(place.first, request, fence, moved, NOW).granted
    assert grant(place.first, request, fence, before, NOW).granted
    assert not grant(place.first, request, fence, before.model_copy(update={"password_version": 4}), NOW).granted


def test_a_repeated_intent_gets_only_what_is_left_of_the_grant(place: Place) -> None:
    request, fence = place.claimed()
    first = grant(place.first, request, fence, place.before(), NOW)
    assert first.remaining_ms == (WRITE_LEASE - DIRECTORY_TIMEOUT) * 1000
    assert grant(place.first, request, fence, place.before(), after(4)).remaining_ms == first.remaining_ms - 4000
    assert not grant(place.first, request, fence, place.before(), after(WRITE_LEASE - DIRECTORY_TIMEOUT)).granted


def test_no_grant_when_the_deadline_leaves_no_time_for_the_directory(place: Place) -> None:
    preparation = prepare(
        place.person, Operation.RESET, tracking_id=uuid.uuid4(), deadline=after(DIRECTORY_TIMEOUT), now=NOW
    )
    request = submit(preparation, place.boxes(preparation), place.person, NOW)
    (work,) = answer_poll(place.first, poll(BOOT), NOW)
    assert not grant(place.first, request, work.fence, place.before(), NOW).granted


def test_a_request_in_writing_is_never_executed_again_by_anybody(place: Place) -> None:
    request, fence = place.writing()
    assert answer_poll(place.second, poll(BOOT), after(1)) == []
    sweep(after(WRITE_LEASE + 1))
    assert state_of(request) == "unresolved"
    (work,) = answer_poll(place.second, poll(BOOT), after(WRITE_LEASE + 1))
    assert work.kind == "resolve" and work.before == place.before() and work.fence > fence
    assert not grant(place.second, request, work.fence, place.before(), after(WRITE_LEASE + 1)).granted


def test_a_restarted_writer_resolves_at_once(place: Place) -> None:
    place.writing()
    (work,) = answer_poll(place.first, poll(SECOND_BOOT), after(1))
    assert work.kind == "resolve"


# --- ending --------------------------------------------------------------------------------------------------------


def test_an_outcome_is_recorded_once_and_the_boxes_are_erased(place: Place, heard: list[tuple[str, str]]) -> None:
    request, fence = place.writing()
    outcome = said(request, fence, OutcomeCode.DONE)
    assert finish(place.first, request.id, outcome, after(1)).result == "recorded"
    assert finish(place.first, request.id, outcome, after(2)).result == "repeated"
    assert heard == [("finished", "done")]
    assert not SealedBox.objects.exists()


def test_nobody_reports_a_write_that_was_not_granted(place: Place) -> None:
    request, fence = place.claimed()
    assert finish(place.first, request.id, said(request, fence, OutcomeCode.DONE), NOW).result == "late"
    assert state_of(request) == "claimed"


def test_the_writer_s_word_counts_even_after_another_agent_took_over(place: Place) -> None:
    request, fence = place.writing()
    sweep(after(WRITE_LEASE + 1))
    answer_poll(place.second, poll(BOOT), after(WRITE_LEASE + 1))
    assert finish(place.first, request.id, said(request, fence, OutcomeCode.DONE), after(30)).result == "recorded"


def test_a_stale_claim_says_nothing(place: Place) -> None:
    request, fence = place.claimed()
    sweep(after(CLAIM_LEASE + 1))
    answer_poll(place.second, poll(BOOT), after(CLAIM_LEASE + 1))
    assert finish(place.first, request.id, said(request, fence, OutcomeCode.POLICY), after(20)).result == "late"
    assert state_of(request) == "claimed"


def test_not_found_out_yet_is_tried_again_and_ends_as_unknown(place: Place, heard: list[tuple[str, str]]) -> None:
    request, fence = place.writing()
    assert finish(place.first, request.id, said(request, fence, OutcomeCode.UNKNOWN), after(11)).result == "recorded"
    assert state_of(request) == "unresolved" and heard == []
    assert answer_poll(place.second, poll(BOOT), after(12)) == []  # a pause between tries
    (work,) = answer_poll(place.second, poll(BOOT), after(20))
    assert work.kind == "resolve"
    sweep(after(WRITE_LEASE + 400))
    assert heard == [("finished", "unknown")]


def test_a_late_certain_word_corrects_what_nobody_knew(place: Place, heard: list[tuple[str, str]]) -> None:
    request, fence = place.writing()
    sweep(after(WRITE_LEASE + 1))
    sweep(after(WRITE_LEASE + 400))
    assert finish(place.first, request.id, said(request, fence, OutcomeCode.DONE), after(900)).result == "recorded"
    assert heard == [("finished", "unknown"), ("finished", "done")]


def test_a_writer_that_slept_and_then_wrote_corrects_not_written(place: Place, heard: list[tuple[str, str]]) -> None:
    request, fence = place.writing()
    sweep(after(WRITE_LEASE + 1))
    (work,) = answer_poll(place.second, poll(BOOT), after(WRITE_LEASE + 1))
    finish(place.second, request.id, said(request, work.fence, OutcomeCode.NOT_WRITTEN), after(22))
    assert finish(place.first, request.id, said(request, fence, OutcomeCode.DONE), after(100)).result == "late"
    assert heard == [("finished", "not_written"), ("finished", "done")]
    request.refresh_from_db()
    assert len(request.late_outcomes) == 1


def test_a_request_that_nobody_begins_expires(place: Place, heard: list[tuple[str, str]]) -> None:
    request = place.submitted()
    assert sweep(after(QUEUE_LIFE - 1)) == 0
    sweep(after(QUEUE_LIFE + 1))
    assert heard == [("expired", "")] and state_of(request) == "expired"
    assert answer_poll(place.first, poll(BOOT), after(QUEUE_LIFE + 1)) == []
    assert not SealedBox.objects.exists()


def test_a_revoked_agent_loses_its_boxes_and_what_it_held_goes_to_others(place: Place) -> None:
    request, fence = place.claimed()
    release_agent(place.first, after(1))
    assert not SealedBox.objects.filter(agent=place.first).exists()
    (work,) = answer_poll(place.second, poll(BOOT), after(1))
    assert work.fence > fence
    assert not grant(place.first, request, fence, place.before(), after(1)).granted
