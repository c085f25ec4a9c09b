"""Choosing the new password: what the page is prepared with, and the three ways in which a choice comes back.

Sealed in the browser (the rule); typed into the page without JavaScript and sealed on receipt; or, for people whose
password lives in the portal, kept as an Argon2id hash.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from keyback.errors import KeybackError
from keyback.flows import Event
from keyback.passwords import DirectoryPolicy, Finding, PersonNames, Profile, check
from keyback.portal.account import lockout
from keyback.portal.audit.words import Activity, Result
from keyback.portal.limits.budgets import RESETS, spend
from keyback.portal.limits.clients import Client, counting
from keyback.portal.people import cloud
from keyback.portal.people.binding import PersonBent
from keyback.portal.people.models import Person
from keyback.portal.recovery import outcomes
from keyback.portal.recovery.models import Purpose, Recovery
from keyback.portal.recovery.moves import move, overtaken
from keyback.portal.recovery.rows import locked
from keyback.portal.recovery.subjects import audit, audit_deed, person_or_nobody, typed_key
from keyback.portal.writeback.preparation import NoAgent, Preparation, prepare, seal_here, submit
from keyback.protocol.limits import DIRECTORY_TIMEOUT, QUEUE_LIFE, WRITE_LEASE
from keyback.protocol.messages import Flags, Operation
from keyback.protocol.outcomes import OutcomeCode
from keyback.protocol.sealing import Sealed

__all__ = ["NotPrepared", "policy_of", "prepared", "profile_of", "submit_cloud", "submit_plain", "submit_sealed"]

# A password sent in the last second of the recovery still has the queue's life, and the directory its time.
_BEYOND = timedelta(seconds=QUEUE_LIFE + DIRECTORY_TIMEOUT + WRITE_LEASE)


class NotPrepared(KeybackError):
    """The boxes are for another page than the one this recovery showed last, or it was overtaken: loading the page
    again says which."""

    code = "not_prepared"


def policy_of(recovery: Recovery) -> DirectoryPolicy:
    """The rules that really apply to this person."""
    if recovery.inspection is None:
        return cloud.policy_of(person_or_nobody(recovery))
    return DirectoryPolicy.from_dict(recovery.inspection["policy"])


def profile_of(recovery: Recovery) -> Profile:
    """The rules beside them: of the portal's own file, or of the file of the agent that looked at the account."""
    if recovery.inspection is None:
        return cloud.further_rules()
    return Profile(**recovery.inspection.get("profile", {}))


def prepared(recovery: Recovery, now: datetime) -> Preparation | None:
    """For whom to seal: the same for a page loaded twice, so that two tabs do not disown each other. None when no
    agent can take a password any more; the recovery is then refused."""
    with transaction.atomic():
        recovery = locked(recovery)
        try:
            fresh = _prepare(recovery, now)
        except (NoAgent, PersonBent) as error:
            refusal = "SSPR_0010" if isinstance(error, NoAgent) else "SSPR_0029"
            audit(recovery, Activity.RECOVERY_REFUSED, Result.REFUSED, now, refusal=refusal)
            move(recovery, Event.NOT_WRITABLE, refusal=refusal)
            return None
        stored = _stored(recovery)
        # What is stored is believed only where it is what would be made now: whoever can write the database could
        # otherwise have the page seal for a key of theirs.
        if stored is not None and stored.targets == fresh.targets and _same_but_id(stored, fresh):
            return stored
        recovery.prepared = fresh.to_json()
        recovery.save(update_fields=["prepared"])
    return fresh


def _prepare(recovery: Recovery, now: datetime) -> Preparation:
    if recovery.person is None or recovery.inspection is None:
        raise ValueError("only an inspected account can be prepared for")
    change = recovery.purpose == Purpose.CHANGE
    return prepare(
        recovery.person,
        Operation.CHANGE if change else Operation.RESET,
        tracking_id=recovery.id,
        deadline=recovery.ends_at + _BEYOND,
        now=now,
        flags=Flags(unlock=not change),
        password_version=recovery.inspection["password_version"],
    )


def _stored(recovery: Recovery) -> Preparation | None:
    return Preparation.from_json(recovery.prepared) if recovery.prepared else None


def _same_but_id(one: Preparation, other: Preparation) -> bool:
    return one.envelope.model_copy(update={"request_id": other.envelope.request_id}) == other.envelope


def submit_sealed(
    recovery: Recovery, request_id: UUID, boxes: dict[UUID, bytes], client: Client, now: datetime
) -> Recovery:
    """Hands the boxes over. Raises Blocked, NotPrepared, BoxesRefused, AlreadyWaiting or IllegalMove."""
    person = _person(recovery)
    _count(recovery, person, client, now)
    with transaction.atomic():
        recovery = locked(recovery)
        preparation = _stored(recovery)
        if preparation is None or preparation.envelope.request_id != request_id:
            raise NotPrepared("the page is not the newest one")
        try:
            # The envelope is about to be signed: never for another account than the one that was proved.
            unbent = _same_but_id(preparation, _prepare(recovery, now))
        except (NoAgent, PersonBent):
            unbent = False  # loading the page again says why
        if not unbent:
            raise NotPrepared("what was prepared is not what would be prepared now")
        recovery = move(recovery, Event.SUBMITTED, prepared=None, request_id=request_id, findings=[])
        submit(preparation, boxes, person, now)
        # Here, since the unique index has just waited for another request of this person that was about to end.
        _only_if_not_overtaken(recovery, now)
        audit(recovery, Activity.RECOVERY_SUBMITTED, Result.SUCCESS, now, request=str(request_id))
    return recovery


def _count(recovery: Recovery, person: Person, client: Client, now: datetime) -> None:
    client = counting(client, recovery.organization.limit_profile)
    spend(recovery.organization_id, RESETS, str(person.id), client.key, now=now)


def submit_plain(recovery: Recovery, passwords: Sealed, client: Client, now: datetime) -> Recovery:
    """Seals at once what was typed into the page without JavaScript, and forgets it. Rules that can be judged here
    are, so that the person need not wait for them. Raises as :func:`submit_sealed`, and NoAgent."""
    person = _person(recovery)
    names = PersonNames(person.account_name, person.display_name)
    if found := [_plain(finding) for finding in check(passwords.new or "", names, policy_of(recovery))]:
        return _refuse(recovery, found, now)
    preparation = prepared(recovery, now)
    if preparation is None:
        raise NoAgent("no agent can take a password any more")
    boxes = seal_here(preparation, passwords)
    return submit_sealed(recovery, preparation.envelope.request_id, boxes, client, now)


def submit_cloud(recovery: Recovery, passwords: Sealed, client: Client, now: datetime) -> Recovery:
    """Keeps the password of a cloud person. Raises Blocked, NotPrepared or IllegalMove."""
    person, password = _person(recovery), passwords.new or ""
    if recovery.purpose == Purpose.CHANGE and not _is_current(recovery, person, passwords.current or "", client, now):
        audit_deed(recovery, Result.FAILURE, now, outcome=OutcomeCode.CURRENT_WRONG)
        return _refuse(recovery, [{"code": OutcomeCode.CURRENT_WRONG.value, "params": {}}], now)
    if found := [_plain(finding) for finding in cloud.findings(person, password, passwords.current)]:
        return _refuse(recovery, found, now)
    # Before the passwords of before are looked at, as for a directory: what they were can be guessed by asking.
    _count(recovery, person, client, now)
    if cloud.used_before(person, password):
        return _refuse(recovery, [{"code": "used_before", "params": {}}], now)
    with transaction.atomic():
        # Of two walks that submit at once one waits here for the other, and must not be told that its password stands.
        Person.objects.select_for_update(no_key=True).get(pk=person.pk)
        _only_if_not_overtaken(recovery, now)
        recovery = move(locked(recovery), Event.SUBMITTED, findings=[])
        cloud.set_password(person, password, now)
        audit(recovery, Activity.RECOVERY_SUBMITTED, Result.SUCCESS, now)
        return outcomes.written(recovery, now)


def _only_if_not_overtaken(recovery: Recovery, now: datetime) -> None:
    if overtaken(recovery, now) is not None:
        raise NotPrepared("somebody was faster")


def _is_current(recovery: Recovery, person: Person, current: str, client: Client, now: datetime) -> bool:
    """Counts like a try to sign in. Raises Blocked."""
    keys = (recovery.organization, typed_key(recovery), str(person.id), client)
    allowed = lockout.take(*keys, now)
    right = cloud.verify_password(person, current) and allowed
    if right:
        lockout.forgive(*keys)
    return right


def _refuse(recovery: Recovery, findings: list[dict[str, Any]], now: datetime) -> Recovery:
    """A rule was broken: the person chooses another password."""
    with transaction.atomic():
        return move(locked(recovery), Event.PASSWORD_REFUSED, findings=findings, refusal="")


def _plain(finding: Finding) -> dict[str, Any]:
    return {"code": finding.code.value, "params": dict(finding.params)}


def _person(recovery: Recovery) -> Person:
    if recovery.person is None:
        raise ValueError("an unknown person has no password to choose")
    return recovery.person
