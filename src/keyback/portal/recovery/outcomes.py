"""What a writeback request's outcome means for the recovery that waits for it. Runs inside the transaction that
records it, so that the page and the request never tell different stories; a late outcome corrects both."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.dispatch import receiver

from keyback.flows import Event, IllegalMove, State
from keyback.portal.account.hold import link
from keyback.portal.audit.words import Activity, Result
from keyback.portal.limits.budgets import Blocked, Budget, spend
from keyback.portal.messages.queue import MessageKind, enqueue
from keyback.portal.organizations.setup import administrators
from keyback.portal.people.contacts import mails_of
from keyback.portal.people.policies import policy_for
from keyback.portal.recovery import notices, rows
from keyback.portal.recovery.models import Purpose, Recovery
from keyback.portal.recovery.moves import SUPERSEDED, move
from keyback.portal.recovery.subjects import audit, audit_deed, person_or_nobody
from keyback.portal.vault import VaultMismatch, open_value
from keyback.portal.writeback.models import WritebackRequest
from keyback.portal.writeback.requests import outcome_recorded
from keyback.protocol.outcomes import OutcomeCode, Shortfall, sspr_code

__all__ = ["written"]

TOO_YOUNG = "too_young"
LOCKED_OUT = "locked_out"
"""Refusals of our own, beside the SSPR codes."""

_NO_PASSWORD = frozenset(
    {OutcomeCode.PERMISSION, OutcomeCode.CONTROL_MISSING, OutcomeCode.CANNOT_CHANGE, OutcomeCode.SMART_CARD}
)
"""What keeps a password from being set, and may leave an account to be unlocked."""

SHORTFALLS_TOLD = Budget("shortfalls_told", 1, timedelta(days=1))


@receiver(outcome_recorded, dispatch_uid="recovery")
def on_outcome(sender: object, request: WritebackRequest, now: datetime, **kwargs: object) -> None:
    recovery = rows.waiting_for(request.organization_id, request.id)
    if recovery is None:
        return  # an administrator's, not a recovery's
    try:
        if request.operation == "inspect":
            _inspected(recovery, request, now)
        else:
            _ended(recovery, request, now)
    except IllegalMove:
        # The recovery went on without it: its time was over. The request keeps the truth.
        return


def _inspected(recovery: Recovery, request: WritebackRequest, now: datetime) -> None:
    found = (request.outcome or {}).get("inspection")
    if request.outcome_code == OutcomeCode.DONE and found is not None:
        possible_from = found.get("possible_from")
        if recovery.purpose == Purpose.UNLOCK or possible_from is None or datetime.fromisoformat(possible_from) <= now:
            move(recovery, Event.WRITABLE, inspection=found)
            audit(recovery, Activity.RECOVERY_INSPECTED, Result.SUCCESS, now)
            return
        move(recovery, Event.NOT_WRITABLE, refusal=TOO_YOUNG, inspection=found)
    elif _may_still_unlock(recovery, request):
        # The next gate or the waiting page asks for the new look: outcomes are recorded by the agents' door, which
        # cannot sign.
        recovery.unlock_only, recovery.request_id = True, None
        recovery.save(update_fields=["unlock_only", "request_id"])
        audit(recovery, Activity.RECOVERY_INSPECTED, Result.REFUSED, now, refusal=_refusal(request), then="unlock")
        return
    else:
        move(recovery, Event.NOT_WRITABLE, refusal=_refusal(request), findings=_findings(request))
    audit(recovery, Activity.RECOVERY_INSPECTED, Result.REFUSED, now, refusal=recovery.refusal)


def _may_still_unlock(recovery: Recovery, request: WritebackRequest) -> bool:
    """Whether the person came to unlock, and only for the new password that their policy has as well it cannot be."""
    wanted = recovery.purpose == Purpose.UNLOCK and recovery.state in (State.PROVE, State.INSPECT)
    if not wanted or recovery.unlock_only or request.outcome_code not in _NO_PASSWORD:
        return False
    policy = policy_for(recovery.organization, recovery.person)
    return policy is not None and policy.unlock and policy.reset


def _ended(recovery: Recovery, request: WritebackRequest, now: datetime) -> None:
    late = recovery.state in (State.REFUSED, State.UNSURE)
    code = request.outcome_code
    if code == OutcomeCode.DONE:
        written(recovery, now, _shortfalls(request))
    elif code in (OutcomeCode.POLICY, OutcomeCode.BANNED) and _refusal(request) != TOO_YOUNG:
        findings = _findings(request) or [{"code": "filter", "params": {}}]
        move(recovery, Event.PASSWORD_REFUSED, findings=findings, refusal=_refusal(request))
        audit_deed(recovery, Result.REFUSED, now, outcome=code)
    elif code in (OutcomeCode.CURRENT_WRONG, OutcomeCode.TRIES_SPENT):
        move(recovery, Event.PASSWORD_REFUSED, findings=[{"code": code, "params": {}}], refusal="")
        audit_deed(recovery, Result.FAILURE, now, outcome=code)
    elif code == OutcomeCode.STALE:
        # The waiting page asks for the new look: outcomes are recorded by the agents' door, which cannot sign.
        move(recovery, Event.STALE, request_id=None)
    elif code == OutcomeCode.UNKNOWN:
        move(recovery, Event.WRITE_UNKNOWN, refusal=_refusal(request))
        audit_deed(recovery, Result.UNKNOWN, now, outcome=code)
    else:
        move(recovery, Event.WRITE_REFUSED, refusal=_refusal(request), findings=_findings(request))
        audit_deed(recovery, Result.FAILURE, now, outcome=code or "expired")
        if late:
            _tell(recovery, MessageKind.WRITEBACK_UNSURE_RESOLVED, now, written="")
    if late:
        audit(recovery, Activity.WRITEBACK_CORRECTED, Result.SUCCESS, now, outcome=code)


def written(recovery: Recovery, now: datetime, shortfalls: Sequence[Shortfall] = ()) -> Recovery:
    """The new password stands. For a locked recovery, in the transaction that made it so."""
    late = recovery.state in (State.REFUSED, State.UNSURE)
    recovery = move(
        recovery, Event.WRITTEN, refusal="", written_at=now, findings=[{"code": what.value} for what in shortfalls]
    )
    details = {"shortfalls": ", ".join(shortfalls)} if shortfalls else {}
    audit_deed(recovery, Result.SUCCESS, now, **details)
    told: dict[str, str] = dict.fromkeys(shortfalls, "yes")  # by name, for the text
    who = notices.of(recovery)
    if late:
        _tell(recovery, MessageKind.WRITEBACK_UNSURE_RESOLVED, now, written="yes", **told)
    elif who.person:
        if recovery.purpose == Purpose.UNLOCK:
            told["unlocked_only"] = "yes"
        told |= {"origin": _origin(recovery), "not_me": link(recovery)}
        _tell(recovery, MessageKind.PASSWORD_CHANGED, now, when=f"{now:%Y-%m-%d %H:%M} UTC", **told)
    notices.tell_administrators(recovery, who, now)
    for what in shortfalls:
        _tell_administrators(recovery, what, now)
    return recovery


def _origin(recovery: Recovery) -> str:
    try:
        return open_value(
            recovery.organization_id, recovery.id, "origin", bytes(recovery.origin or b"").decode("ascii")
        )
    except VaultMismatch:
        return ""


def _tell(recovery: Recovery, kind: MessageKind, now: datetime, **context: str) -> None:
    """To every mailbox on file, so that whoever took one of them over cannot hide it."""
    for _datum, address in mails_of(person_or_nobody(recovery)):
        enqueue(
            recovery.organization,
            kind=kind,
            to=address,
            language=recovery.language,
            context={"tracking_id": str(recovery.id), **context},
            now=now,
            tracking_id=recovery.id,
        )


def _tell_administrators(recovery: Recovery, what: Shortfall, now: datetime) -> None:
    """Once a day: the same right is missing for whoever comes next."""
    organization = recovery.organization
    try:
        spend(organization.id, SHORTFALLS_TOLD, what.value, now=now)
    except Blocked:
        return
    for administrator, address in administrators(organization):
        enqueue(
            organization,
            kind=MessageKind.WRITEBACK_FELL_SHORT,
            to=address,
            language=administrator.language,
            context={"tracking_id": str(recovery.id), what.value: "yes"},
            now=now,
            tracking_id=recovery.id,
        )


def _shortfalls(request: WritebackRequest) -> list[Shortfall]:
    """Findings of a success that this portal knows: a newer agent may find more."""
    found = {finding["code"] for finding in _findings(request)}
    return [what for what in Shortfall if what in found]


def _refusal(request: WritebackRequest) -> str:
    if not request.outcome_code:
        return "SSPR_0030"  # expired: nobody took it in time
    code = OutcomeCode(request.outcome_code)
    if code is OutcomeCode.SUPERSEDED:
        return SUPERSEDED
    if code is OutcomeCode.LOCKED_OUT:
        return LOCKED_OUT
    found = {finding["code"] for finding in _findings(request)}
    return TOO_YOUNG if TOO_YOUNG in found else sspr_code(code) or "SSPR_0029"


def _findings(request: WritebackRequest) -> list[dict[str, Any]]:
    return list((request.outcome or {}).get("findings", []))
