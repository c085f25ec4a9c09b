"""Somebody who knows the password, and only cannot sign in."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from keyback.flows import Event
from keyback.portal.account import lockout
from keyback.portal.audit.words import Activity, Result
from keyback.portal.limits.budgets import RESETS, spend
from keyback.portal.limits.clients import Client, counting
from keyback.portal.organizations.models import Organization
from keyback.portal.people.models import Person
from keyback.portal.people.policies import organization_deeds, policy_for
from keyback.portal.recovery import outcomes
from keyback.portal.recovery.models import Purpose, Recovery
from keyback.portal.recovery.moves import move
from keyback.portal.recovery.rows import locked
from keyback.portal.recovery.subjects import audit, person_or_nobody, typed_key
from keyback.portal.writeback.preparation import prepare, submit_unsealed
from keyback.protocol.limits import QUEUE_LIFE
from keyback.protocol.messages import Operation

__all__ = ["choose_purpose", "may_reset", "purposes", "unlock"]


def purposes(organization: Organization) -> list[Purpose]:
    """What may be chosen before the first gate, the usual one first: a new password, unlocking without one, or both.
    The same for everybody of the organization."""
    return [Purpose(deed) for deed in organization_deeds(organization)]


def may_reset(recovery: Recovery) -> bool:
    """Whether a new password may be chosen, as far as it is known."""
    policy = policy_for(recovery.organization, recovery.person)
    return policy is not None and policy.reset and not recovery.unlock_only


def choose_purpose(recovery: Recovery, purpose: Purpose, now: datetime) -> Recovery:
    """Unlock instead of a new password, or the other way round. ValueError where that cannot be chosen (any more)."""
    with transaction.atomic():
        recovery = locked(recovery)
        untouched = recovery.state == "prove" and not recovery.gates_opened
        at_the_end = recovery.state == "choose" and purpose == Purpose.RESET and may_reset(recovery)
        both = {recovery.purpose, purpose} <= {Purpose.RESET, Purpose.UNLOCK}
        if not both or not (untouched or at_the_end) or purpose not in purposes(recovery.organization):
            raise ValueError("this cannot be chosen now")
        recovery.purpose = purpose
        recovery.save(update_fields=["purpose"])
        audit(recovery, Activity.RECOVERY_PURPOSE_CHOSEN, Result.SUCCESS, now, purpose=purpose.value)
    return recovery


def unlock(recovery: Recovery, client: Client, now: datetime) -> Recovery:
    """Asks an agent to unlock; of a cloud person the tries to sign in are forgotten. Raises Blocked, NoAgent,
    PersonBent, AlreadyWaiting or IllegalMove."""
    person = person_or_nobody(recovery)
    counted = counting(client, recovery.organization.limit_profile)
    spend(recovery.organization_id, RESETS, str(person.id), counted.key, now=now)
    with transaction.atomic():
        recovery = locked(recovery)
        if person.source == Person.Source.CLOUD:
            recovery = move(recovery, Event.SUBMITTED)
            lockout.unlock(recovery.organization, typed_key(recovery), str(person.id), client)
            return outcomes.written(recovery, now)
        preparation = prepare(
            person,
            Operation.UNLOCK,
            tracking_id=recovery.id,
            deadline=now + timedelta(seconds=QUEUE_LIFE),
            now=now,
        )
        recovery = move(recovery, Event.SUBMITTED, request_id=preparation.envelope.request_id)
        submit_unsealed(preparation, person, now)
        audit(recovery, Activity.RECOVERY_SUBMITTED, Result.SUCCESS, now, request=str(recovery.request_id))
    return recovery
