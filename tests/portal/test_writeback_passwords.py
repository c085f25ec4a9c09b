"""A sign-in and a change with the current password, as the people's door asks for them and reads the answer."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import pytest

from keyback.portal.writeback.claims import answer_poll
from keyback.portal.writeback.models import WritebackRequest
from keyback.portal.writeback.preparation import Preparation, decoy, prepare, seal_here, submit
from keyback.portal.writeback.requests import finish, grant_writing, sweep
from keyback.portal.writeback.results import result_of
from keyback.protocol.encoding import b64decode
from keyback.protocol.messages import Envelope, Finding, Operation, Outcome, WriteIntent, parse
from keyback.protocol.outcomes import OutcomeCode
from keyback.protocol.sealing import Sealed, box_info, open_box
from tests.portal.test_writeback_requests import BOOT, NOW, Place, after, poll

pytestmark = pytest.mark.django_db


@pytest.fixture
def place() -> Place:
    return Place()


def asked(place: Place, operation: Operation, passwords: Sealed) -> WritebackRequest:
    prepared = prepare(place.person, operation, tracking_id=uuid.uuid4(), deadline=after(60), now=NOW)
    again = Preparation.from_json(prepared.to_json())  # as the flow keeps it between two pages
    return submit(again, seal_here(again, passwords), place.person, NOW)


def answered(place: Place, request: WritebackRequest, code: OutcomeCode, **more: object) -> None:
    outcome = Outcome.model_validate({"request_id": request.id, "fence": 1, "code": code, **more})
    finish(place.first, request.id, outcome, NOW)


def test_the_agent_opens_old_and_new_password_from_one_box(place: Place) -> None:
    asked(place, Operation.CHANGE, Sealed(new="Correct-Horse-7", current="Old-Battery-6"))
    (work,) = answer_poll(place.first, poll(BOOT), NOW)
    envelope = parse(Envelope, b64decode(work.envelope))
    assert work.box is not None
    opened = open_box(b64decode(work.box), place.keys[place.first.id], box_info(envelope, place.first.id, "k1"))
    assert opened == Sealed(new="Correct-Horse-7", current="Old-Battery-6")


def test_a_change_is_granted_once_and_resolved_ever_after_like_a_reset(place: Place) -> None:
    request = asked(place, Operation.CHANGE, Sealed(new="Correct-Horse-7", current="Old-Battery-6"))
    (work,) = answer_poll(place.first, poll(BOOT), NOW)
    intent = WriteIntent(fence=work.fence, before=place.before())
    assert grant_writing(place.first, request.id, intent, NOW).granted
    sweep(after(60))
    (again,) = answer_poll(place.second, poll(uuid.UUID(int=5)), after(60))
    assert again.kind == "resolve"


def test_a_sign_in_is_never_granted_a_write(place: Place) -> None:
    request = asked(place, Operation.VERIFY, Sealed(current="Old-Battery-6"))
    (work,) = answer_poll(place.first, poll(BOOT), NOW)
    assert not grant_writing(place.first, request.id, WriteIntent(fence=work.fence, before=place.before()), NOW).granted


@pytest.mark.parametrize(
    ("code", "succeeded", "refusal"),
    [
        (OutcomeCode.DONE, True, ""),
        (OutcomeCode.MUST_CHANGE, True, ""),
        (OutcomeCode.PASSWORD_EXPIRED, True, ""),
        (OutcomeCode.CURRENT_WRONG, False, "OnPremisesPolicyViolation"),
        (OutcomeCode.LOCKED_OUT, False, "SSPR_0029"),
        (OutcomeCode.UNREACHABLE, False, "SSPR_0030"),
    ],
)
def test_the_page_asks_again_until_the_answer_is_there(
    place: Place, code: OutcomeCode, succeeded: bool, refusal: str
) -> None:
    request = asked(place, Operation.VERIFY, Sealed(current="Old-Battery-6"))
    assert result_of(place.person, request.id).waiting
    answer_poll(place.first, poll(BOOT), NOW)
    assert result_of(place.person, request.id).waiting
    answered(place, request, code)
    result = result_of(place.person, request.id)
    assert (result.waiting, result.code, result.succeeded, result.refusal) == (False, code, succeeded, refusal)


def test_from_when_another_try_is_worth_it_is_told(place: Place) -> None:
    request = asked(place, Operation.VERIFY, Sealed(current="Old-Battery-6"))
    answer_poll(place.first, poll(BOOT), NOW)
    finding = Finding(code="tries_spent", params={"possible_from": after(1800).isoformat()})
    answered(place, request, OutcomeCode.TRIES_SPENT, findings=[finding.model_dump()])
    assert result_of(place.person, request.id).possible_from == after(1800)


def test_what_nobody_took_in_time_has_ended_too(place: Place) -> None:
    request = asked(place, Operation.VERIFY, Sealed(current="Old-Battery-6"))
    sweep(after(61))
    result = result_of(place.person, request.id)
    assert (result.waiting, result.code, result.succeeded, result.refusal) == (False, None, False, "SSPR_0030")


def test_nobody_reads_the_answer_to_somebody_else(place: Place) -> None:
    request = asked(place, Operation.VERIFY, Sealed(current="Old-Battery-6"))
    with pytest.raises(WritebackRequest.DoesNotExist):
        result_of(Place("other").person, request.id)


def test_somebody_unknown_is_shown_a_page_like_everybody_elses(place: Place) -> None:
    def page(prepared: Preparation) -> list[dict[str, str]]:
        return [{**entry, "info": str(len(entry["info"]))} for entry in prepared.for_page()]

    def made(deadline: datetime) -> tuple[Preparation, Preparation]:
        tracking_id = uuid.uuid4()
        known = prepare(place.person, Operation.VERIFY, tracking_id=tracking_id, deadline=deadline, now=NOW)
        unknown = decoy(place.forest, Operation.VERIFY, tracking_id=tracking_id, deadline=deadline, now=NOW)
        return known, unknown

    known, unknown = made(NOW + timedelta(seconds=30))
    assert page(known) == page(unknown)
