"""Signing in with a password that only the directory knows: sealed in the browser, judged by an agent, kept by nobody.

Whoever is unknown gets the same pages with agents to seal for, and the answer that others get, after as long
(keyback.portal.account.strangers). In an organization with both kinds of people, a keyed hash says which of the two an
unknown user ID looks like: always the same one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest

from keyback.errors import KeybackError
from keyback.portal.account import lockout, strangers
from keyback.portal.account.attempts import Attempt, audit, client_for, note, noted, only_elsewhere
from keyback.portal.account.kinds import Kind
from keyback.portal.account.signin import Stage
from keyback.portal.audit.words import Activity, Result
from keyback.portal.limits.budgets import Blocked
from keyback.portal.middleware import track, tracking_id_of
from keyback.portal.people.binding import PersonBent
from keyback.portal.people.models import Person
from keyback.portal.writeback.models import WritebackRequest
from keyback.portal.writeback.preparation import (
    AlreadyWaiting,
    BoxesRefused,
    Preparation,
    decoy,
    prepare,
    submit,
)
from keyback.portal.writeback.results import Result as Outcome
from keyback.portal.writeback.results import result_of
from keyback.protocol.limits import QUEUE_LIFE
from keyback.protocol.messages import Operation
from keyback.protocol.outcomes import OutcomeCode
from keyback.protocol.sealing import BOX_BYTES

__all__ = ["Answer", "NotPrepared", "answer", "in_directory", "prepared", "send", "waiting"]

_PAGE_LIFE = timedelta(minutes=15)


class NotPrepared(KeybackError):
    """The boxes are for another page than the one that this browser showed last."""

    code = "not_prepared"


@dataclass(frozen=True, slots=True)
class Answer:
    """``stage``: None where nobody is signed in. ``unreachable``: the directory could not be asked."""

    stage: Stage | None
    unreachable: bool = False


def in_directory(attempt: Attempt) -> bool:
    """Whether this user ID is shown the page of those whose password is in a directory."""
    people = Person.objects.filter(organization=attempt.organization, enabled=True, removed_at=None)
    directory = people.filter(source=Person.Source.DIRECTORY).exists()
    cloud = people.filter(source=Person.Source.CLOUD).exists()
    if attempt.person is not None:
        return attempt.person.source == Person.Source.DIRECTORY
    digest: bytes = settings.KEYRING.code_hmac("where an unknown password would be", attempt.typed)
    return directory and (not cloud or digest[0] % 2 == 0)


def prepared(request: HttpRequest, attempt: Attempt, now: datetime) -> Preparation:
    """For whom the page seals. Raises NoAgent."""
    tracking_id, deadline = tracking_id_of(request), now + _PAGE_LIFE + timedelta(seconds=QUEUE_LIFE)
    try:
        if attempt.person is None:
            raise PersonBent
        preparation = prepare(attempt.person, Operation.VERIFY, tracking_id=tracking_id, deadline=deadline, now=now)
    except PersonBent:  # nobody, or a row that somebody bent
        forest = strangers.forest_of(attempt)
        preparation = decoy(forest, Operation.VERIFY, tracking_id=tracking_id, deadline=deadline, now=now)
    note(request, prepared=preparation.to_json(), sent_at=None)
    return preparation


def send(request: HttpRequest, attempt: Attempt, request_id: UUID, boxes: dict[UUID, bytes], now: datetime) -> None:
    """Hands the boxes over, once. Raises NotPrepared, BoxesRefused, or Blocked for what was typed."""
    kept = noted(request)
    preparation = Preparation.from_json(kept["prepared"]) if kept.get("prepared") else None
    if preparation is None or preparation.envelope.request_id != request_id:
        raise NotPrepared("the page is not the newest one")
    targets = {target.agent_id for target in preparation.targets}
    if boxes.keys() != targets or any(len(box) != BOX_BYTES for box in boxes.values()):
        raise BoxesRefused("one box for each prepared agent, of the protocol's length")
    track(request, preparation.envelope.tracking_id)
    client = client_for(request, attempt)
    try:
        allowed = lockout.take(attempt.organization, attempt.typed, attempt.subject, client, now)
    except Blocked as blocked:
        audit(request, attempt, Activity.SIGN_IN_BLOCKED, Result.REFUSED, now, budget=blocked.budget)
        raise
    asked, allowed = False, allowed and not only_elsewhere(attempt)
    if allowed and attempt.person is not None and _is_about(preparation, attempt.person):
        try:
            submit(preparation, boxes, attempt.person, now)
            asked = True
        except AlreadyWaiting:  # told as a wrong password: that there is such an account is nobody's business
            pass
    if not asked:
        audit(request, attempt, Activity.SIGN_IN_FAILED, Result.FAILURE, now)
    told = None if asked else strangers.told(preparation.envelope.organization_id, preparation.envelope.forest_id, now)
    # Whoever knew this browser's session id before the password was typed must not be the one who asks for the answer.
    request.session.cycle_key()
    note(
        request,
        prepared=None,
        asked=str(request_id),
        tracking=str(preparation.envelope.tracking_id),
        answer_at=None if told is None else (now + told.after).isoformat(),
        unreachable=told is not None and told.unreachable,
        sent_at=now.isoformat(),
    )


def _is_about(preparation: Preparation, person: Person) -> bool:
    envelope = preparation.envelope
    return (envelope.forest_id, envelope.object_guid) == (person.forest_id, person.object_guid)


def waiting(request: HttpRequest, attempt: Attempt, now: datetime) -> bool:
    kept = noted(request)
    if not kept.get("sent_at"):
        return False
    if kept["answer_at"] is not None:
        return now < datetime.fromisoformat(kept["answer_at"])
    result = _result(attempt, kept)
    return result is not None and result.waiting


def _result(attempt: Attempt, kept: dict[str, Any]) -> Outcome | None:
    """None where the user ID names somebody else by now, or nobody."""
    if attempt.person is None:
        return None
    try:
        return result_of(attempt.person, UUID(kept["asked"]))
    except WritebackRequest.DoesNotExist:
        return None


def answer(request: HttpRequest, attempt: Attempt, now: datetime) -> Answer | None:
    """What came of it; None where nothing was sent, or the answer was taken already. It is taken by this."""
    kept = noted(request)
    if not kept.get("sent_at"):
        return None
    track(request, UUID(kept["tracking"]))
    note(request, sent_at=None)
    if kept["answer_at"] is not None:
        return Answer(None, unreachable=kept["unreachable"])
    result = _result(attempt, kept)
    if result is None or attempt.person is None:
        return Answer(None)
    if not result.succeeded:
        audit(request, attempt, Activity.SIGN_IN_FAILED, Result.FAILURE, now, outcome=result.code or "expired")
        return Answer(None, unreachable=result.code in (None, OutcomeCode.UNREACHABLE))
    lockout.forgive(attempt.organization, attempt.typed, attempt.subject, client_for(request, attempt))
    audit(request, attempt, Activity.SIGNED_IN, Result.SUCCESS, now, kind=Kind.PASS_THROUGH)
    must_change = result.code in (OutcomeCode.MUST_CHANGE, OutcomeCode.PASSWORD_EXPIRED)
    return Answer(Stage.CHANGE if must_change else Stage.FULL)
