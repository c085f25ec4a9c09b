"""Who a recovery is about, in the forms that limits, methods and audit need. Unknown people have one too."""

from __future__ import annotations

from datetime import datetime

from keyback.portal.account.kinds import kind_of
from keyback.portal.audit.words import Activity, Result
from keyback.portal.audit.writer import write
from keyback.portal.people.models import Person
from keyback.portal.recovery.models import Purpose, Recovery

__all__ = ["account", "audit", "audit_deed", "likeness", "person_or_nobody", "subject", "typed_key"]


def typed_key(recovery: Recovery) -> str:
    """The keyed hash of the user ID as typed: what limits count before anybody is known."""
    return bytes(recovery.typed_hmac).hex()


def subject(recovery: Recovery) -> str:
    """The person's id. For unknown people a text of their own, so that the same counters are written."""
    return f"nobody:{typed_key(recovery)}" if recovery.person_id is None else str(recovery.person_id)


def likeness(recovery: Recovery) -> str:
    """What is made up for somebody is made up from this: stable, and the same for every spelling, as it is for known
    people."""
    return bytes(recovery.decoy or b"").hex() if recovery.person_id is None else str(recovery.person_id)


def account(recovery: Recovery) -> tuple[str, str, str]:
    """The very account that a proof is about: what is bound to it is worth nothing with another one in its place."""
    person = recovery.person
    return subject(recovery), str(person and person.forest_id), str(person and person.object_guid)


def person_or_nobody(recovery: Recovery) -> Person:
    """The person, or one who is in no table: whatever is looked up for them is looked up, and not found."""
    nobody = Person(id=recovery.id, organization_id=recovery.organization_id)  # made for all: it takes its time
    return recovery.person or nobody


def audit_deed(recovery: Recovery, result: Result, now: datetime, **details: str | int | None) -> None:
    """What the walk was for, and what came of it; with the kind of account."""
    done = {Purpose.CHANGE: Activity.PASSWORD_CHANGED, Purpose.UNLOCK: Activity.ACCOUNT_UNLOCKED}
    activity = done.get(Purpose(recovery.purpose), Activity.PASSWORD_RESET)
    audit(recovery, activity, result, now, kind=kind_of(person_or_nobody(recovery)), **details)


def audit(recovery: Recovery, activity: Activity, result: Result, now: datetime, **details: str | int | None) -> None:
    if recovery.purpose != Purpose.RESET:
        details["purpose"] = recovery.purpose
    write(
        recovery.organization_id,
        activity,
        result=result,
        actor="self",
        now=now,
        tracking_id=recovery.id,
        details=details,
        personal={"subject": subject(recovery)},
    )
