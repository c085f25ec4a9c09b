"""Gates: how many a person must open, what is counted while they try, and what happens when the last one opens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from keyback.flows import Event
from keyback.portal.audit.words import Activity, Result
from keyback.portal.limits.budgets import (
    CODES_SENT,
    PHONE_VALIDATIONS,
    PROOF_FAILED,
    PROOF_FAILED_POOL,
    QUESTION_GATES,
    Blocked,
    Budget,
    clear_all,
    spend_all,
)
from keyback.portal.limits.clients import Client, counting
from keyback.portal.methods import Method, installed
from keyback.portal.people.models import Person, Policy
from keyback.portal.people.policies import organization_methods, policy_for
from keyback.portal.recovery import inspection
from keyback.portal.recovery.decide import refusal_of_person
from keyback.portal.recovery.models import Purpose, Recovery
from keyback.portal.recovery.moves import move
from keyback.portal.recovery.rows import locked
from keyback.portal.recovery.subjects import audit, person_or_nobody, subject, typed_key
from keyback.portal.securityinfo.entries import default_method
from keyback.portal.securityinfo.rules import methods_on_file

__all__ = ["Try", "clear_proof", "failed_proof", "offered", "open_gate", "spend_proof"]


@dataclass(frozen=True, slots=True)
class Try:
    """``allowed``: False when the person's own count is closed, which must look like a wrong proof. ``closed``: the
    budgets that this try closes if it turns out to be wrong."""

    allowed: bool
    closed: tuple[str, ...]


def offered(recovery: Recovery) -> list[Method]:
    """What this browser may prove next. Before the first gate it is the same for everybody in the organization; after
    it, what the person's own policy allows. Who is signed in gets what is on file, their own choice first."""
    if recovery.purpose == Purpose.VERIFY and recovery.person is not None:
        first = default_method(recovery.person)
        return [installed()[name] for name in sorted(methods_on_file(recovery.person), key=lambda name: name != first)]
    methods = installed()
    return [
        methods[name]
        for name in _allowed(recovery)
        if name in methods and methods[name].ready() and methods[name].gate not in recovery.gates_opened
    ]


def _allowed(recovery: Recovery) -> list[str]:
    if not recovery.gates_opened:
        return organization_methods(recovery.organization)
    policy = policy_for(recovery.organization, recovery.person)
    return list(policy.methods) if policy else []


def spend_proof(recovery: Recovery, method: str, client: Client, now: datetime, *, pooled: bool = True) -> Try:
    """Takes one try to prove. ``pooled``: strangers are counted together too. Raises Blocked for the text as typed."""
    if pooled:  # what is not must never be closed by strangers, whatever the organization counts
        client = counting(client, recovery.organization.limit_profile)
    closed = spend_all(recovery.organization_id, *_proofs(client, typed_key(recovery), method, pooled), now=now)
    try:
        closed += spend_all(recovery.organization_id, *_proofs(client, subject(recovery), method, pooled), now=now)
    except Blocked:
        return Try(False, tuple(closed))
    return Try(True, tuple(closed))


def failed_proof(recovery: Recovery, method: str, spent: Try, now: datetime) -> None:
    """Writes down that a proof was wrong, and what that closed."""
    audit(recovery, Activity.RECOVERY_PROOF_FAILED, Result.FAILURE, now, method=method)
    for budget in dict.fromkeys(spent.closed):
        audit(recovery, Activity.RECOVERY_BLOCKED, Result.REFUSED, now, method=method, budget=budget)


def _proofs(client: Client, key: str, method: str, pooled: bool) -> list[tuple[Budget, tuple[str, ...]]]:
    counted: list[tuple[Budget, tuple[str, ...]]] = [(PROOF_FAILED, (key, method, client.key))]
    if client.kind == "block" and pooled:
        counted.append((PROOF_FAILED_POOL, (key, method)))
    return counted


def clear_proof(recovery: Recovery, method: str, client: Client) -> None:
    """This client proved itself: its own counters of this person are forgotten, the strangers' pool is not."""
    clients = {client.key, counting(client, recovery.organization.limit_profile).key}
    keys = [(key, one) for key in (typed_key(recovery), subject(recovery)) for one in clients]
    clear_all(
        recovery.organization_id,
        *((budget, (key, method, one)) for budget in (PROOF_FAILED, CODES_SENT) for key, one in keys),
        *((budget, (key, one)) for budget in (PHONE_VALIDATIONS, QUESTION_GATES) for key, one in keys),
    )


def open_gate(recovery: Recovery, method: str, now: datetime) -> Recovery:
    """Opens the gate that ``method`` leads through. Call inside the transaction that marks the proof as used.

    The same gate never counts twice, however many methods lead through it, and a method that the person's own policy
    does not list counts for nothing; but whoever proved anything may be told why it does not go on. Raises IllegalMove
    where the recovery is past its gates.
    """
    with transaction.atomic(savepoint=False):
        recovery = locked(recovery)
        person = recovery.person
        if person is None:
            raise ValueError("an unknown person can prove nothing")
        policy = policy_for(recovery.organization, person)
        audit(recovery, Activity.RECOVERY_GATE_OPENED, Result.SUCCESS, now, method=method)
        opened = list(recovery.gates_opened)
        gate = installed()[method].gate
        if recovery.purpose == Purpose.VERIFY:  # whatever is on file counts, and by its own name
            return move(recovery, Event.PROVED, gates_opened=[method])
        if policy is not None and method in policy.methods and gate not in opened:
            opened.append(gate)
        refusal = refusal_of_person(person, policy, now, take_seat=True, opened=opened)
        if refusal is None and policy is not None and len(opened) < policy.gates:
            recovery = move(recovery, Event.GATE_OPENED, gates_opened=opened)
            return _look_early(recovery, policy, now) if opened else recovery
        return _last_gate(recovery, policy, opened, refusal, now)


def _look_early(recovery: Recovery, policy: Policy, now: datetime) -> Recovery:
    """A protected account, a missing right or a dead agent is told before the person proves any more."""
    waits = recovery.request_id is not None or recovery.inspection is not None
    if waits or person_or_nobody(recovery).source == Person.Source.CLOUD:
        return recovery
    return inspection.begin(recovery, now, may_reset=policy.reset)


def _last_gate(
    recovery: Recovery, policy: Policy | None, opened: list[str], refusal: str | None, now: datetime
) -> Recovery:
    person = person_or_nobody(recovery)
    changes: dict[str, object] = {"gates_opened": opened}
    # Other people of the organization may choose either; this one has the one that their policy allows.
    if recovery.purpose == Purpose.UNLOCK and (policy is None or not policy.unlock):
        changes["purpose"] = Purpose.RESET
    elif recovery.purpose == Purpose.RESET and policy is not None and policy.unlock and not policy.reset:
        changes["purpose"] = Purpose.UNLOCK
    if refusal is None and person.source == Person.Source.CLOUD:
        return move(recovery, Event.LAST_GATE_OPENED_CLOUD, **changes)
    recovery = move(recovery, Event.LAST_GATE_OPENED, **changes)
    if refusal is not None:
        audit(recovery, Activity.RECOVERY_REFUSED, Result.REFUSED, now, refusal=refusal)
        return move(recovery, Event.NOT_WRITABLE, refusal=refusal)
    if recovery.inspection is not None:
        return move(recovery, Event.WRITABLE)
    if recovery.request_id is not None:
        return recovery
    return inspection.begin(recovery, now, may_reset=policy is not None and policy.reset)
