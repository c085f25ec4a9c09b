"""People and groups as an agent pushes them from a directory: in bulk, bound to the objectGUID, and only what really
changed. An agent is believed within its own organization's verified domains and its own forests, and no further.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction

from keyback.errors import KeybackError
from keyback.portal import sql
from keyback.portal.agents.models import Agent, AgentForest
from keyback.portal.agents.tokens import NotAdmitted
from keyback.portal.audit.words import Activity, Result
from keyback.portal.audit.writer import write
from keyback.portal.people import groups, records, removals
from keyback.portal.people.conflicts import conflicts_of
from keyback.portal.people.models import SyncRun
from keyback.protocol.limits import MAX_OBJECTS_PER_PUSH
from keyback.protocol.messages import Push, PushReceipt

__all__ = ["ForestRefused", "SequenceRefused", "apply_push", "check_forest", "purge"]


class SequenceRefused(KeybackError):
    """This agent has sent this sequence number, or a later one, before: an old push played again."""

    code = "sequence_refused"


class ForestRefused(KeybackError):
    """The forest is not one that this agent said it serves."""

    code = "forest_refused"


def apply_push(agent: Agent, push: Push, now: datetime) -> PushReceipt:
    """All of it or nothing. Raises NotAdmitted, ForestRefused or SequenceRefused."""
    with transaction.atomic():
        _take_sequence(agent, push)
        run = _run(agent, push, now)
        place = records.place_of(agent.organization_id, push.forest_id)
        plan = records.plan_for(place, push.people, now)
        records.carry_out(place, plan, now)
        groups.take(run, push.groups)
        unknown = _take_leave(run, push, now)
        settled = removals.settle(run, f"agent:{agent.pk}", now)
        touched = [person for person, _ in plan.touched]
        conflicts = conflicts_of(agent.organization_id, touched, new={person.id for person, _ in plan.added})
        _note(agent, run, push, settled, now)
    return PushReceipt(
        added=len(plan.added),
        changed=len(plan.changed),
        removed=settled.removed,
        refused=plan.refused,
        unknown=unknown,
        held=settled.held,
        conflicts=conflicts,
    )


def check_forest(agent: Agent, forest_id: UUID) -> None:
    """Raises ForestRefused."""
    if not AgentForest.objects.filter(agent=agent, forest_id=forest_id).exists():
        raise ForestRefused("this agent does not serve this forest")


_TAKE_SEQUENCE = f"""
UPDATE {Agent._meta.db_table} SET push_seq = %(seq)s
WHERE id = %(agent)s AND state = '{Agent.State.CONFIRMED.value}' AND push_seq < %(seq)s
RETURNING EXISTS (SELECT 1 FROM {AgentForest._meta.db_table} WHERE agent_id = %(agent)s AND forest_id = %(forest)s)
"""  # noqa: S608 — table names


def _take_sequence(agent: Agent, push: Push) -> None:
    """The conditional update also locks the agent's row: its pushes are applied one after the other."""
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_SEQUENCE, sql.values(seq=push.seq, agent=agent.pk, forest=push.forest_id))
        taken = cursor.fetchone()
    if taken is None:
        agent.refresh_from_db(fields=["state"])
        if agent.state != Agent.State.CONFIRMED:
            raise NotAdmitted(agent)
        raise SequenceRefused("this sequence number was used")
    if not taken[0]:
        raise ForestRefused("this agent does not serve this forest")


_COUNT = f"""
INSERT INTO {SyncRun._meta.db_table} (id, organization_id, forest_id, agent_id, started_at, people, removed)
VALUES (%(run)s, %(organization)s, %(forest)s, %(agent)s, %(now)s, %(people)s, 0)
ON CONFLICT (id) DO UPDATE SET people = {SyncRun._meta.db_table}.people + excluded.people
RETURNING {sql.columns(SyncRun, SyncRun._meta.db_table)}
"""  # noqa: S608 — table names


def _run(agent: Agent, push: Push, now: datetime) -> SyncRun:
    """The run that this push is of, begun if need be, with its people counted in."""
    given = sql.values(
        run=push.run_id,
        organization=agent.organization_id,
        forest=push.forest_id,
        agent=agent.pk,
        now=now,
        people=len(push.people),
    )
    run: SyncRun = sql.instances(_COUNT, given, SyncRun)[0][0]
    if run.agent_id != agent.pk or run.forest_id != push.forest_id or run.ended_at is not None:
        raise SequenceRefused("this run belongs to another forest or agent, or has ended")
    return run


def _take_leave(run: SyncRun, push: Push, now: datetime) -> list[UUID]:
    """Whoever has gone, as the push says. Returns the objects in scope that nobody has told of yet."""
    unknown: list[UUID] = []
    if push.gone:
        removals.mark_gone(run, push.gone, now)
        groups.mark_gone(run, push.gone, now)
    if push.people_in_scope is not None:
        unknown += removals.mark_missing(run, push.people_in_scope, now)
    if push.groups_in_scope is not None:
        unknown += groups.mark_missing(run, push.groups_in_scope, now)
    return unknown[:MAX_OBJECTS_PER_PUSH]


def _note(agent: Agent, run: SyncRun, push: Push, settled: removals.Settled, now: datetime) -> None:
    if settled.removed or push.last:
        run.removed += settled.removed
        run.ended_at = now if push.last else None
        run.save(update_fields=["removed", "ended_at"])
    if push.last:
        write(
            run.organization_id,
            Activity.PEOPLE_SYNCHRONISED,
            result=Result.SUCCESS,
            actor=f"agent:{agent.pk}",
            now=now,
            details={
                "forest": str(run.forest_id),
                "people": run.people,
                "removed": run.removed,
                "held": settled.held,
            },
        )


def purge(now: datetime) -> int:
    """Removes notes about runs that began a month ago. How many."""
    return SyncRun.objects.filter(started_at__lte=now - timedelta(days=30)).delete()[0]
