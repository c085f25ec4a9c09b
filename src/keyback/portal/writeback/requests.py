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
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.dispatch import Signal

from keyback.errors import KeybackError
from keyback.portal import sql, wake
from keyback.portal.agents.models import Agent, AgentForest
from keyback.portal.people.models import Person
from keyback.portal.writeback.models import SealedBox, WritebackRequest
from keyback.protocol.limits import DIRECTORY_TIMEOUT, WRITE_LEASE
from keyback.protocol.messages import Operation, Outcome, OutcomeReceipt, WriteGrant, WriteIntent
from keyback.protocol.outcomes import OutcomeCode

__all__ = [
    "NoSuchRequest",
    "finish",
    "grant_writing",
    "outcome_recorded",
    "release_agent",
    "sweep",
]

State = WritebackRequest.State

outcome_recorded = Signal()
"""Sent with ``request`` inside the transaction that finished or expired it, or that corrected its outcome."""

WRITES_PASSWORD = (Operation.RESET.value, Operation.CHANGE.value)

RESOLVE_LIFE = timedelta(minutes=5)
"""How long agents try to find out what became of a write before the answer is *unknown*."""
RESOLVE_PAUSE = timedelta(seconds=3)

_AFTER_GRANT_ONLY = (OutcomeCode.NOT_WRITTEN, OutcomeCode.SUPERSEDED, OutcomeCode.UNKNOWN)


class NoSuchRequest(KeybackError):
    """Not a request that this agent may know of: absent, another organization's, or another forest's."""

    code = "no_such_request"


_GRANT = f"""
UPDATE {WritebackRequest._meta.db_table} SET state = 'writing', "before" = %(before)s, writer_id = %(agent)s,
    writing_fence = %(fence)s, writing_at = %(now)s, lease_until = %(lease)s, resolve_until = %(resolve)s
WHERE id = %(request)s AND organization_id = %(organization)s AND claimed_by_id = %(agent)s AND fence = %(fence)s
    AND state = 'claimed' AND operation IN ({sql.quoted(WRITES_PASSWORD)})
    AND expires_at > %(now)s AND deadline > %(in_time)s
    AND EXISTS (SELECT 1 FROM {Person._meta.db_table} p WHERE p.id = person_id AND p.object_guid = %(object)s)
RETURNING deadline
"""  # noqa: S608 — table names


def grant_writing(agent: Agent, request_id: UUID, intent: WriteIntent, now: datetime) -> WriteGrant:
    """One conditional update decides. Granted: the agent may send within ``remaining_ms`` of sending this intent, and
    the directory's time-out then ends before anybody begins to resolve. A repeated intent gets what is left.
    """
    margin = timedelta(seconds=DIRECTORY_TIMEOUT)
    lease = now + timedelta(seconds=WRITE_LEASE)
    params = sql.values(
        before=intent.before.model_dump(mode="json"),
        agent=agent.id,
        fence=intent.fence,
        now=now,
        lease=lease,
        resolve=lease + RESOLVE_LIFE,
        request=request_id,
        organization=agent.organization_id,
        in_time=now + margin,
        object=intent.before.object_guid,
    )
    with connection.cursor() as cursor:
        cursor.execute(_GRANT, params)
        granted = cursor.fetchone()
    if granted is None:
        return _granted_before(agent, request_id, intent, now, margin)
    return WriteGrant(granted=True, remaining_ms=_milliseconds(min(lease, sql.aware(granted[0])) - margin - now))


def _granted_before(
    agent: Agent, request_id: UUID, intent: WriteIntent, now: datetime, margin: timedelta
) -> WriteGrant:
    """What is left of a grant whose answer got lost."""
    row = WritebackRequest.objects.filter(
        id=request_id,
        organization_id=agent.organization_id,
        claimed_by=agent,
        fence=intent.fence,
        state=State.WRITING,
        person__object_guid=intent.before.object_guid,
    ).first()
    if row is None or row.lease_until is None or row.before != intent.before.model_dump(mode="json"):
        return WriteGrant(granted=False)
    left = _milliseconds(min(row.lease_until, row.deadline) - margin - now)
    return WriteGrant(granted=left > 0, remaining_ms=left)


def finish(agent: Agent, request_id: UUID, outcome: Outcome, now: datetime) -> OutcomeReceipt:
    """Records how it ended. Raises NoSuchRequest.

    The word of the agent that holds the request, and of the agent that was granted the write, is taken; anything else
    is kept as late. A certain late word corrects an uncertain outcome.
    """
    with transaction.atomic():
        row = _to_finish(agent, request_id)
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


_OF_ITS_FORESTS = f"""
id = %(request)s AND organization_id = %(organization)s
AND forest_id IN (SELECT f.forest_id FROM {AgentForest._meta.db_table} f WHERE f.agent_id = %(agent)s)
"""  # noqa: S608 — a table's name


def _to_finish(agent: Agent, request_id: UUID) -> WritebackRequest | None:
    lock = "FOR UPDATE" if connection.features.has_select_for_update else ""
    rows = sql.select(
        WritebackRequest,
        _OF_ITS_FORESTS + lock,
        request=request_id,
        organization=agent.organization_id,
        agent=agent.id,
    )
    return next(iter(rows), None)


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
