"""What an administrator does to one directory account: look, reset, unlock, expire. An outcome is audited in the
transaction that records it, so that a command that was stopped while it waited leaves no gap.
"""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timedelta

from django.db import transaction
from django.dispatch import receiver

from keyback.portal.account.kinds import kind_of
from keyback.portal.audit.words import Activity, Result
from keyback.portal.audit.writer import write
from keyback.portal.messages.queue import MessageKind, enqueue
from keyback.portal.people.contacts import mails_of
from keyback.portal.people.models import Person
from keyback.portal.writeback.models import WritebackRequest
from keyback.portal.writeback.preparation import prepare, seal_here, submit, submit_unsealed
from keyback.portal.writeback.requests import outcome_recorded
from keyback.protocol.messages import Flags, Operation
from keyback.protocol.outcomes import OutcomeCode
from keyback.protocol.sealing import Sealed

__all__ = ["begin"]

_DEADLINE = timedelta(minutes=2)

_ACTIVITY = {
    Operation.RESET.value: Activity.PASSWORD_RESET_BY_ADMIN,
    Operation.UNLOCK.value: Activity.ACCOUNT_UNLOCKED_BY_ADMIN,
    Operation.EXPIRE.value: Activity.PASSWORD_EXPIRED_BY_ADMIN,
}
_RULES = (OutcomeCode.POLICY, OutcomeCode.BANNED)


def begin(
    person: Person,
    operation: Operation,
    *,
    initiator: str,
    by: str,
    now: datetime,
    flags: Flags | None = None,
    password: str | None = None,
    password_version: int | None = None,
) -> WritebackRequest:
    """Queues the operation; a password is sealed here, for each confirmed agent. ``initiator``: ``admin:<UUID>``,
    which is signed; ``by``: who that is, for the audit. Raises NoAgent, AlreadyWaiting, or Malformed for a password
    that cannot be."""
    preparation = prepare(
        person,
        operation,
        tracking_id=uuid.uuid4(),
        deadline=now + _DEADLINE,
        now=now,
        flags=flags,
        initiator=initiator,
        password_version=password_version,
    )
    with transaction.atomic():
        if password is None:
            request = submit_unsealed(preparation, person, now)
        else:
            request = submit(preparation, seal_here(preparation, Sealed(new=password)), person, now)
        if operation.value in _ACTIVITY:
            write(
                person.organization_id,
                Activity.ADMIN_SUBMITTED,
                result=Result.SUCCESS,
                actor=by,
                now=now,
                tracking_id=request.tracking_id,
                details={"operation": operation.value, "person": str(person.id), "initiator": initiator},
            )
    return request


@receiver(outcome_recorded, dispatch_uid="administration")
def on_outcome(sender: object, request: WritebackRequest, now: datetime, **_: object) -> None:
    """Audit, and for a new password mail to the person. A late outcome that corrects another is one more entry."""
    activity = _ACTIVITY.get(request.operation)
    initiator = json.loads(bytes(request.envelope))["initiator"]
    if activity is None or not initiator.startswith("admin:"):
        return  # a person's own; the recovery tells of it
    write(
        request.organization_id,
        activity,
        result=_result(request.outcome_code),
        actor=initiator,
        now=now,
        tracking_id=request.tracking_id,
        details={
            "outcome": request.outcome_code or "expired",
            "person": str(request.person_id),
            "kind": kind_of(request.person),
        },
    )
    if request.outcome_code != OutcomeCode.DONE or request.operation == Operation.EXPIRE:
        return
    for _datum, address in mails_of(request.person):
        enqueue(
            request.person.organization,
            kind=MessageKind.PASSWORD_CHANGED,
            to=address,
            language=request.person.language,
            context={
                "when": now.strftime("%Y-%m-%d %H:%M UTC"),
                "tracking_id": str(request.tracking_id),
                "unlocked_only": "yes" if request.operation == Operation.UNLOCK else "",
            },
            now=now,
            tracking_id=request.tracking_id,
        )


def _result(code: str) -> Result:
    if code == OutcomeCode.DONE:
        return Result.SUCCESS
    if code == OutcomeCode.UNKNOWN:
        return Result.UNKNOWN
    return Result.REFUSED if code in _RULES else Result.FAILURE
