"""How an agent gets its work: one statement looks, locks and gives.

Every poll of every agent passes here. Django takes five times as long to build these questions as the database to
answer them, so they are written out.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection, transaction

from keyback.portal import sql
from keyback.portal.agents.models import Agent, AgentForest
from keyback.portal.writeback.models import UNFINISHED, SealedBox, WritebackRequest
from keyback.protocol.encoding import b64encode
from keyback.protocol.limits import CLAIM_LEASE, WRITE_LEASE
from keyback.protocol.messages import Before, Operation, Poll, Work

__all__ = ["SEALED", "answer_poll", "claim", "may_have_work"]

State = WritebackRequest.State

SEALED = (Operation.RESET.value, Operation.CHANGE.value, Operation.VERIFY.value)
"""Operations that carry a password: only an agent with a box of its own can do them."""

_TABLES = {
    "requests": WritebackRequest._meta.db_table,
    "boxes": SealedBox._meta.db_table,
    "agents": Agent._meta.db_table,
    "forests": AgentForest._meta.db_table,
    "unfinished": sql.quoted(UNFINISHED),
    "sealed": sql.quoted(SEALED),
    "columns": sql.columns(WritebackRequest, WritebackRequest._meta.db_table),
}

_WAITING = """
SELECT 1 FROM {requests}
WHERE organization_id = %(organization)s AND state IN ({unfinished}) AND (
    (state = 'queued' AND expires_at > %(now)s) OR state = 'unresolved'
    OR (state = 'claimed' AND claimed_by_id = %(agent)s {lost}))
LIMIT 1
"""

_OWN_BOX = "EXISTS (SELECT 1 FROM {boxes} b WHERE b.request_id = w.id AND b.agent_id = %(agent)s)"

# The rows are picked in a WITH of their own: as a plain subquery they might be picked, and locked, more than once.
_CLAIM = """
WITH picked AS (
    SELECT w.id FROM {requests} w
    JOIN {agents} a ON a.id = %(agent)s AND a.organization_id = w.organization_id AND a.state = 'confirmed'
    JOIN {forests} f ON f.agent_id = a.id AND f.forest_id = w.forest_id
    WHERE w.organization_id = %(organization)s AND w.state IN ({unfinished}) AND (
        (w.state = 'queued' AND w.expires_at > %(now)s AND (w.operation NOT IN ({sealed}) OR {own_box}))
        OR (w.state = 'unresolved' AND w.resolve_until > %(now)s
            AND (w.lease_until IS NULL OR w.lease_until <= %(now)s) AND {own_box}))
    ORDER BY w.created_at LIMIT %(capacity)s {lock})
UPDATE {requests} SET
    state = CASE state WHEN 'queued' THEN 'claimed' ELSE state END,
    claimed_at = CASE state WHEN 'queued' THEN %(now)s ELSE claimed_at END,
    lease_until = CASE state WHEN 'queued' THEN %(claim_lease)s ELSE %(write_lease)s END,
    fence = fence + 1, claimed_by_id = %(agent)s, boot_id = %(boot)s
WHERE id IN (SELECT id FROM picked)
RETURNING {columns}, (SELECT b.box FROM {boxes} b WHERE b.request_id = {requests}.id AND b.agent_id = %(agent)s) AS box
"""


def may_have_work(agent: Agent, poll: Poll, now: datetime) -> bool:
    """Whether a claim is worth its lock: something of the organization waits, or this agent was given something that it
    does not say it holds.

    Asked by every poll that comes; what exactly this agent may have, the claim finds out.
    """
    held = {f"held{number}": request_id for number, request_id in enumerate(poll.holding or ())}
    lost = f"AND id NOT IN ({', '.join(f'%({name})s' for name in held)})" if held else ""
    if poll.holding is None:
        lost = "AND 1 = 0"  # it does not tell, so nothing counts as lost
    with connection.cursor() as cursor:
        cursor.execute(
            _WAITING.format(**_TABLES, lost=lost),
            sql.values(organization=agent.organization_id, agent=agent.id, now=now, **held),
        )
        return cursor.fetchone() is not None


def answer_poll(agent: Agent, poll: Poll, now: datetime) -> list[Work]:
    """What a poll that comes gets at once."""
    _take_back(agent, poll, now)
    return claim(agent, poll, now)


def claim(agent: Agent, poll: Poll, now: datetime) -> list[Work]:
    """Gives up to ``poll.capacity`` requests to this agent, the oldest first: none where it is no longer confirmed."""
    params = sql.values(
        organization=agent.organization_id,
        agent=agent.id,
        boot=poll.boot_id,
        capacity=poll.capacity,
        now=now,
        claim_lease=now + timedelta(seconds=CLAIM_LEASE),
        write_lease=now + timedelta(seconds=WRITE_LEASE),
    )
    lock = "FOR UPDATE OF w SKIP LOCKED" if connection.features.has_select_for_update_skip_locked else ""
    statement = _CLAIM.format(**_TABLES, own_box=_OWN_BOX.format(**_TABLES), lock=lock)
    rows = sql.instances(statement, params, WritebackRequest)
    return [_work(row, box, now) for row, box in sorted(rows, key=lambda found: found[0].created_at)]


def _take_back(agent: Agent, poll: Poll, now: datetime) -> None:
    """What this agent did under another boot id, and what it was given in an answer that got lost, waits again."""
    mine = WritebackRequest.objects.filter(
        organization_id=agent.organization_id, claimed_by=agent, state__in=UNFINISHED
    )
    with transaction.atomic():
        boots = set(mine.values_list("boot_id", flat=True))
        if poll.boot_id in boots and poll.holding is not None:
            lost = mine.filter(boot_id=poll.boot_id, state=State.CLAIMED).exclude(id__in=poll.holding)
            lost.update(state=State.QUEUED, claimed_by=None, lease_until=None)
        if boots - {poll.boot_id}:
            before = mine.exclude(boot_id=poll.boot_id)
            before.filter(state=State.CLAIMED).update(state=State.QUEUED, claimed_by=None, lease_until=None)
            before.filter(state=State.WRITING).update(state=State.UNRESOLVED, lease_until=None)
            before.filter(state=State.UNRESOLVED, lease_until__gt=now).update(lease_until=None)


def _work(row: WritebackRequest, box: bytes | memoryview | None, now: datetime) -> Work:
    resolve = row.state == State.UNRESOLVED
    until = row.resolve_until if resolve else row.expires_at
    return Work(
        kind="resolve" if resolve else "execute",
        request_id=row.id,
        fence=row.fence,
        envelope=b64encode(bytes(row.envelope)),
        signature=b64encode(bytes(row.signature)),
        box=None if box is None else b64encode(bytes(box)),
        before=Before.model_validate(row.before) if resolve else None,
        remaining_ms=max(0, int(((until or now) - now).total_seconds() * 1000)),
    )
