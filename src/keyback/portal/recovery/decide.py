"""What a person may do here: policy, methods on file, source, writeback health. Refusals are SSPR codes.

What concerns the whole organization is told at once; what concerns one person is told once a gate is open, so that
nobody learns from it who exists (unless the organization chose ``explain_to_person``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection

from keyback.portal import sql
from keyback.portal.account.hold import HELD, is_held
from keyback.portal.agents.models import Agent, AgentForest
from keyback.portal.methods import installed
from keyback.portal.organizations.models import Forest, Organization
from keyback.portal.people import seats
from keyback.portal.people.models import Person, Policy
from keyback.portal.people.policies import organization_methods
from keyback.protocol.limits import POLL_MAX

__all__ = [
    "gates_held",
    "refusal_of_directory",
    "refusal_of_forest",
    "refusal_of_organization",
    "refusal_of_person",
    "refusal_of_scope",
]

_ALIVE = timedelta(seconds=2 * POLL_MAX + 20)
"""An agent is heard at least once a poll; two missed ones and a bit mean that it is gone."""


def refusal_of_organization(organization: Organization, now: datetime) -> str | None:
    """SSPR_0009, _0011, _0010 or _0030 where they hold for everybody, else None.

    Writeback counts only where every person's password is in a directory: with cloud people among them the refusal
    would be about some.
    """
    if organization.reset_scope == Organization.ResetScope.NONE:
        return "SSPR_0009"
    if not organization_methods(organization):
        return "SSPR_0011"
    with connection.cursor() as cursor:
        cursor.execute(_ALL_IN_DIRECTORIES, sql.values(organization=organization.id))
        all_in_directories = bool(cursor.fetchone()[0])
    return refusal_of_directory(organization, now) if all_in_directories else None


def refusal_of_directory(organization: Organization, now: datetime) -> str | None:
    """SSPR_0010 or _0030 where no agent of the organization could be asked anything, else None."""
    return _health(sql.instances(_ABLE, sql.values(organization=organization.id), Agent), now)


def refusal_of_forest(organization_id: UUID, forest_id: UUID | None, now: datetime) -> str | None:
    """The same where no agent that serves this forest could be asked."""
    given = sql.values(organization=organization_id, forest=forest_id)
    return _health(sql.instances(f"{_ABLE} AND f.id = %(forest)s", given, Agent), now)


def refusal_of_scope(person: Person, policy: Policy | None, now: datetime, *, take_seat: bool) -> str | None:
    """SSPR_0009, _0013, _0011 or _0012 for this person, else None. ``take_seat``: only for who proved who they are, so
    that typing user IDs uses up no seats."""
    organization = person.organization
    if organization.reset_scope == Organization.ResetScope.NONE:
        return "SSPR_0009"
    if policy is None:  # some may reset, so those who may were selected
        return "SSPR_0013" if organization_methods(organization) else "SSPR_0011"
    if not (policy.reset or policy.unlock) or not policy.methods:
        return "SSPR_0011"
    seated = seats.take(person, now) if take_seat else seats.may_have(person)
    return None if seated else "SSPR_0012"


def refusal_of_person(
    person: Person, policy: Policy | None, now: datetime, *, take_seat: bool = False, opened: Collection[str] = ()
) -> str | None:
    """Those of :func:`refusal_of_scope`, SSPR_0014, _0010 or _0030 for this person, else None. ``opened``: gates that
    are open already, also with what is used up by it."""
    refusal = HELD if is_held(person, now) else refusal_of_scope(person, policy, now, take_seat=take_seat)
    if refusal is not None or policy is None:
        return refusal
    if len(gates_held(person, policy) | set(opened)) < policy.gates:
        return "SSPR_0014"
    if person.source == Person.Source.CLOUD:
        return None
    return refusal_of_forest(person.organization_id, person.forest_id, now)


def gates_held(person: Person, policy: Policy) -> set[str]:
    """The gates that this person could open now, by methods that their policy allows."""
    methods = [installed()[name] for name in policy.methods if name in installed()]
    return {method.gate for method in methods if method.ready() and method.masks(person)}


_ALL_IN_DIRECTORIES = f"""
SELECT EXISTS (SELECT 1 FROM {Forest._meta.db_table} WHERE organization_id = %(organization)s)
AND NOT EXISTS (SELECT 1 FROM {Person._meta.db_table}
    WHERE organization_id = %(organization)s AND enabled AND removed_at IS NULL AND source = 'cloud')
"""  # noqa: S608 — table names
# An agent that serves several forests stands there several times.
_ABLE = f"""
SELECT {sql.columns(Agent, "a")} FROM {Agent._meta.db_table} a
JOIN {AgentForest._meta.db_table} af ON af.agent_id = a.id AND af.writeback
JOIN {Forest._meta.db_table} f ON f.id = af.forest_id AND f.writeback
WHERE a.organization_id = %(organization)s
"""  # noqa: S608 — table names


def _health(agents: Iterable[tuple[Agent]], now: datetime) -> str | None:
    seen = [agent.last_seen_at for (agent,) in agents if agent.state == Agent.State.CONFIRMED]
    if not seen:
        return "SSPR_0010"
    return None if any(last is not None and now - last < _ALIVE for last in seen) else "SSPR_0030"
