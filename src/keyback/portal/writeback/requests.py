"""The states of a writeback request, and who may move it. Rows are the truth; every move is guarded by fence and state.

    queued → claimed(agent, fence, lease) → writing(fence, before) → finished
                                             writing → unresolved → finished
    queued | claimed → expired

A password request that was once in ``writing`` is never executed again by anybody: it can only be resolved, by
comparing the account with ``before``. ``claimed`` is harmless to lose. Times are arguments; two machines' clocks are
never compared.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Literal
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.dispatch import Signal

from keyback.errors import KeybackError
from keyback.portal import wake
from keyback.portal.agents.models import Agent
from keyback.portal.writeback.models import UNFINISHED, SealedBox, WritebackRequest
from keyback.protocol.encoding import b64encode
from keyback.protocol.limits import CLAIM_LEASE, DIRECTORY_TIMEOUT, WRITE_LEASE
from keyback.protocol.messages import (
    Before,
    Operation,
    Outcome,
    OutcomeReceipt,
    Poll,
    Work,
    WriteGrant,
    WriteIntent,
)
from keyback.protocol.outcomes import OutcomeCode

__all__ = [
    "NoSuchRequest",
    "claim",
    "finish",
    "grant_writing",
    "may_have_work",
    "outcome_recorded",
    "release_agent",
    "sweep",
]

State = WritebackRequest.State

outcome_recorded = Signal()
"""Sent with ``request`` inside the transaction that finished or expired it, or that corrected its outcome."""

SEALED = (Operation.RESET.value, Operation.CHANGE.value, Operation.VERIFY.value)
WRITES_PASSWORD = (Operation.RESET.value, Operation.CHANGE.value)

RESOLVE_LIFE = timedelta(minutes=5)
"""How long agents try to find out what became of a write before the answer is *unknown*."""
RESOLVE_PAUSE = timedelta(seconds=3)

_AFTER_GRANT_ONLY = (OutcomeCode.NOT_WRITTEN, OutcomeCode.SUPERSEDED, OutcomeCode.UNKNOWN)


class NoSuchRequest(KeybackError):
    """Not a request that this agent may know of: absent, another organization's, or another forest's."""

    code = "no_such_request"


def _open_to(agent: Agent, now: datetime) -> QuerySet[WritebackRequest]:
    """What this agent could claim now: its forests, and where a password travels, a box of its own."""
    own_box = SealedBox.objects.filter(request=OuterRef("pk"), agent=agent)
    waiting = Q(state=State.QUEUED, expires_at__gt=now)
    to_resolve = Q(state=State.UNRESOLVED, resolve_until__gt=now) & (
        Q(lease_until__isnull=True) | Q(lease_until__lte=now)
    )
    return WritebackRequest.objects.filter(
        (waiting & (~Q(operation__in=SEALED) | Exists(own_box))) | (to_resolve & Exists(own_box)),
        organization_id=agent.organization_id,
        forest__agents__agent=agent,
    ).order_by("created_at")


def may_have_work(agent: Agent, now: datetime) -> bool:
    """Whether a claim is worth its lock: something of the organization waits, or this agent was given something.

    Asked by every poll that comes, so it is one plain query; what exactly this agent may have, the claim finds out.
    """
    waiting = Q(state=State.QUEUED, expires_at__gt=now) | Q(state=State.UNRESOLVED)
    return WritebackRequest.objects.filter(
        waiting | Q(state=State.CLAIMED, claimed_by=agent), organization_id=agent.organization_id
    ).exists()


def claim(agent: Agent, poll: Poll, now: datetime) -> list[Work]:
    """Gives up to ``poll.capacity`` requests to this agent. What it was doing under another boot id, and what it was
    given in an answer that got lost, comes back first."""
    with transaction.atomic():
        _take_back(agent, poll, now)
        rows = list(_open_to(agent, now).select_for_update(skip_locked=True, of=("self",))[: poll.capacity])
        boxes = dict(SealedBox.objects.filter(request__in=rows, agent=agent).values_list("request_id", "box"))
        return [_give(row, agent, poll.boot_id, boxes.get(row.id), now) for row in rows]


def _take_back(agent: Agent, poll: Poll, now: datetime) -> None:
    mine = WritebackRequest.objects.filter(
        organization_id=agent.organization_id, claimed_by=agent, state__in=UNFINISHED
    )
    boots = set(mine.values_list("boot_id", flat=True))
    if poll.boot_id in boots:
        _lost(agent, poll).update(state=State.QUEUED, claimed_by=None, lease_until=None)
    if boots - {poll.boot_id}:
        before = mine.exclude(boot_id=poll.boot_id)
        before.filter(state=State.CLAIMED).update(state=State.QUEUED, claimed_by=None, lease_until=None)
        before.filter(state=State.WRITING).update(state=State.UNRESOLVED, lease_until=None)
        before.filter(state=State.UNRESOLVED, lease_until__gt=now).update(lease_until=None)


def _lost(agent: Agent, poll: Poll) -> QuerySet[WritebackRequest]:
    """Claims of this very process that it never heard of."""
    if poll.holding is None:
        return WritebackRequest.objects.none()
    return WritebackRequest.objects.filter(
        organization_id=agent.organization_id, claimed_by=agent, boot_id=poll.boot_id, state=State.CLAIMED
    ).exclude(id__in=poll.holding)


def _give(row: WritebackRequest, agent: Agent, boot_id: UUID, box: bytes | memoryview | None, now: datetime) -> Work:
    kind: Literal["execute", "resolve"] = "resolve" if row.state == State.UNRESOLVED else "execute"
    row.fence += 1
    row.claimed_by = agent
    row.boot_id = boot_id
    lease = WRITE_LEASE if kind == "resolve" else CLAIM_LEASE
    row.lease_until = now + timedelta(seconds=lease)
    if kind == "execute":
        row.state = State.CLAIMED
        row.claimed_at = now
    row.save(update_fields=["fence", "claimed_by", "boot_id", "lease_until", "state", "claimed_at"])
    until = row.resolve_until if kind == "resolve" else row.expires_at
    return Work(
        kind=kind,
        request_id=row.id,
        fence=row.fence,
        envelope=b64encode(bytes(row.envelope)),
        signature=b64encode(bytes(row.signature)),
        box=None if box is None else b64encode(bytes(box)),
        before=Before.model_validate(row.before) if kind == "resolve" else None,
        remaining_ms=_milliseconds((until or now) - now),
    )


def grant_writing(agent: Agent, request_id: UUID, intent: WriteIntent, now: datetime) -> WriteGrant:
    """The row's lock decides. Granted: the agent may send within ``remaining_ms`` of sending this intent, and the
    directory's time-out then ends before anybody begins to resolve. A repeated intent of a claim gets what is left.
    """
    margin = timedelta(seconds=DIRECTORY_TIMEOUT)
    before = intent.before.model_dump(mode="json")
    with transaction.atomic():
        row = (
            WritebackRequest.objects.select_for_update(of=("self",))
            .select_related("person")
            .filter(id=request_id, organization_id=agent.organization_id, claimed_by=agent, fence=intent.fence)
            .first()
        )
        if row is None or row.lease_until is None or row.person.object_guid != intent.before.object_guid:
            return WriteGrant(granted=False)
        if (
            row.state == State.CLAIMED
            and row.operation in WRITES_PASSWORD
            and now < row.expires_at
            and now + margin < row.deadline
        ):
            row.state = State.WRITING
            row.before = before
            row.writer = agent
            row.writing_fence = intent.fence
            row.writing_at = now
            row.lease_until = now + timedelta(seconds=WRITE_LEASE)
            row.resolve_until = row.lease_until + RESOLVE_LIFE
            row.save(
                update_fields=[
                    "state",
                    "before",
                    "writer",
                    "writing_fence",
                    "writing_at",
                    "lease_until",
                    "resolve_until",
                ]
            )
    if row.state != State.WRITING or row.before != before:
        return WriteGrant(granted=False)
    left = _milliseconds(min(row.lease_until, row.deadline) - margin - now)
    return WriteGrant(granted=left > 0, remaining_ms=left)


def finish(agent: Agent, request_id: UUID, outcome: Outcome, now: datetime) -> OutcomeReceipt:
    """Records how it ended. Raises NoSuchRequest.

    The word of the agent that holds the request, and of the agent that was granted the write, is taken; anything else
    is kept as late. A certain late word corrects an uncertain outcome.
    """
    with transaction.atomic():
        row = (
            WritebackRequest.objects.select_for_update(of=("self",))
            .filter(id=request_id, organization_id=agent.organization_id, forest__agents__agent=agent)
            .first()
        )
        if row is None:
            raise NoSuchRequest("there is no such request for this agent")
        if row.outcome is not None and _same(row, agent, outcome):
            return OutcomeReceipt(result="repeated")
        if not _may_say(row, agent, outcome):
            return _keep_late(row, agent, outcome, now)
        if outcome.code is OutcomeCode.UNKNOWN and row.resolve_until and now < row.resolve_until:
            # Not given up yet: another agent, or the same one when the server is back, tries again.
            row.state = State.UNRESOLVED
            row.claimed_by = None
            row.lease_until = now + RESOLVE_PAUSE
            row.save(update_fields=["state", "claimed_by", "lease_until"])
            return OutcomeReceipt(result="recorded")
        _end(row, State.FINISHED, outcome, agent, now)
    return OutcomeReceipt(result="recorded")


def _may_say(row: WritebackRequest, agent: Agent, outcome: Outcome) -> bool:
    is_writer = row.writer_id == agent.id and row.writing_fence == outcome.fence
    holds = row.claimed_by_id == agent.id and row.fence == outcome.fence
    if row.state in (State.FINISHED, State.EXPIRED):
        # Only certainty corrects, and only where nobody knew before.
        certain = outcome.code is not OutcomeCode.UNKNOWN
        return (is_writer or holds) and row.outcome_code == OutcomeCode.UNKNOWN and certain
    if row.state in (State.WRITING, State.UNRESOLVED):
        return is_writer or holds
    if row.operation in WRITES_PASSWORD and outcome.code in (OutcomeCode.DONE, *_AFTER_GRANT_ONLY):
        return False  # nobody was granted this write
    return row.state == State.CLAIMED and holds


def _same(row: WritebackRequest, agent: Agent, outcome: Outcome) -> bool:
    return row.outcome_by_id == agent.id and row.outcome == outcome.model_dump(mode="json")


def _keep_late(row: WritebackRequest, agent: Agent, outcome: Outcome, now: datetime) -> OutcomeReceipt:
    entry = {"agent": str(agent.id), "at": now.isoformat(), "outcome": outcome.model_dump(mode="json")}
    if not any(late["outcome"] == entry["outcome"] for late in row.late_outcomes):
        row.late_outcomes = [*row.late_outcomes[-9:], entry]
        is_writer = row.writer_id == agent.id and row.writing_fence == outcome.fence
        contradicts = row.outcome_code == OutcomeCode.NOT_WRITTEN and outcome.code is OutcomeCode.DONE
        if is_writer and contradicts:
            # A machine that slept between its last check and the send: the directory did take the password after all.
            _end(row, State.FINISHED, outcome, agent, now)
        row.save(update_fields=["late_outcomes"])
    return OutcomeReceipt(result="late")


def _end(row: WritebackRequest, state: str, outcome: Outcome | None, agent: Agent | None, now: datetime) -> None:
    row.state = state
    row.finished_at = now
    row.lease_until = None
    row.outcome_by = agent
    row.outcome_code = "" if outcome is None else outcome.code.value
    row.outcome = None if outcome is None else outcome.model_dump(mode="json")
    row.save(update_fields=["state", "finished_at", "lease_until", "outcome_by", "outcome_code", "outcome"])
    SealedBox.objects.filter(request=row).delete()
    outcome_recorded.send(sender=WritebackRequest, request=row, now=now)


def sweep(now: datetime) -> int:
    """Moves what time has moved: silent claims to the queue, silent writes to unresolved, the too old to their end.

    Returns how many. Any number of processes may sweep at once.
    """
    moved = _back_to_queue(
        WritebackRequest.objects.filter(state=State.CLAIMED, lease_until__lte=now, expires_at__gt=now)
    )
    moved += _to_unresolved(WritebackRequest.objects.filter(state=State.WRITING, lease_until__lte=now))
    too_old = Q(state=State.QUEUED, expires_at__lte=now) | Q(
        state=State.CLAIMED, lease_until__lte=now, expires_at__lte=now
    )
    given_up = Q(state=State.UNRESOLVED, resolve_until__lte=now)
    for request_id in WritebackRequest.objects.filter(too_old | given_up).values_list("id", flat=True)[:500]:
        with transaction.atomic():
            row = (
                WritebackRequest.objects.select_for_update(skip_locked=True)
                .filter(too_old | given_up, id=request_id)
                .first()
            )
            if row is None:
                continue
            if row.state == State.UNRESOLVED:
                _end(row, State.FINISHED, _unknown(row), None, now)
            else:
                _end(row, State.EXPIRED, None, None, now)
            moved += 1
    return moved


def _unknown(row: WritebackRequest) -> Outcome:
    return Outcome(request_id=row.id, fence=row.fence, code=OutcomeCode.UNKNOWN, detail="nobody could find out in time")


def release_agent(agent: Agent, now: datetime, forest_id: UUID | None = None) -> None:
    """What an agent held goes to others, and its boxes are erased: all where it is revoked, or those of a forest for
    which it takes no requests any more. Called inside that one's transaction."""
    mine = WritebackRequest.objects.filter(organization_id=agent.organization_id, claimed_by=agent)
    boxes = SealedBox.objects.filter(organization_id=agent.organization_id, agent=agent)
    if forest_id is not None:
        mine, boxes = mine.filter(forest_id=forest_id), boxes.filter(request__forest_id=forest_id)
    _back_to_queue(mine.filter(state=State.CLAIMED))
    _to_unresolved(mine.filter(state=State.WRITING))
    mine.filter(state=State.UNRESOLVED).update(lease_until=None, claimed_by=None)
    boxes.delete()


def _back_to_queue(rows: QuerySet[WritebackRequest]) -> int:
    return _move(rows, state=State.QUEUED, claimed_by=None, lease_until=None)


def _to_unresolved(rows: QuerySet[WritebackRequest]) -> int:
    return _move(rows, state=State.UNRESOLVED, lease_until=None)


def _move(rows: QuerySet[WritebackRequest], **changes: object) -> int:
    organizations = set(rows.values_list("organization_id", flat=True))
    if not organizations:
        return 0  # a look costs no lock
    moved = rows.update(**changes)
    for organization_id in organizations:
        transaction.on_commit(partial(wake.notify, f"work:{organization_id}"))
    return moved


def _milliseconds(duration: timedelta) -> int:
    return max(0, int(duration.total_seconds() * 1000))
