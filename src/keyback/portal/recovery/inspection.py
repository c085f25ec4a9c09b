"""The look at the account that an agent takes before anybody types a password."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from keyback.flows import Event
from keyback.portal.audit.words import Activity, Result
from keyback.portal.people.binding import PersonBent
from keyback.portal.recovery.models import Purpose, Recovery
from keyback.portal.recovery.moves import move
from keyback.portal.recovery.subjects import audit
from keyback.portal.writeback.preparation import AlreadyWaiting, NoAgent, prepare, submit_unsealed
from keyback.protocol.limits import QUEUE_LIFE
from keyback.protocol.messages import Flags, Following, Operation

__all__ = ["begin"]

_log = logging.getLogger(__name__)


def begin(recovery: Recovery, now: datetime, *, may_reset: bool) -> Recovery:
    """Asks an agent to look; for a locked recovery that has a gate open. ``may_reset``: whether the person's policy has
    resets; for a change it does not matter.

    Where the person has an unfinished request (another browser, an earlier try) nothing is asked yet, and the waiting
    page calls again.
    """
    person = recovery.person
    if person is None:
        raise ValueError("nobody to look at")
    try:
        preparation = prepare(
            person,
            Operation.INSPECT,
            tracking_id=recovery.id,
            deadline=now + timedelta(seconds=QUEUE_LIFE),
            now=now,
            # So that a right that will be needed is missed now, not then, and none that will not.
            inspect_for=(meant := _meant(recovery, may_reset)),
            flags=Flags(unlock=meant is Operation.RESET),
        )
        request = submit_unsealed(preparation, person, now)
    except NoAgent:
        return _refused(recovery, "SSPR_0010", now)
    except PersonBent:
        _log.error("the row of a person was bent", extra={"tracking_id": recovery.id})
        return _refused(recovery, "SSPR_0029", now)
    except AlreadyWaiting:
        return recovery
    recovery.request_id = request.id
    recovery.save(update_fields=["request_id"])
    return recovery


def _meant(recovery: Recovery, may_reset: bool) -> Following:
    """Who is about to unlock may still choose a new password instead, where the policy has both; if it turns out that
    none can be set, the account is looked at once more for the unlocking alone."""
    if recovery.purpose == Purpose.CHANGE:
        return Operation.CHANGE
    return Operation.RESET if may_reset and not recovery.unlock_only else Operation.UNLOCK


def _refused(recovery: Recovery, refusal: str, now: datetime) -> Recovery:
    audit(recovery, Activity.RECOVERY_REFUSED, Result.REFUSED, now, refusal=refusal)
    return move(recovery, Event.NOT_WRITABLE, refusal=refusal)
