"""Which agents there are, and what each may do now. Their state is read from the database on every call."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from keyback.errors import KeybackError
from keyback.portal import sql, wake
from keyback.portal.agents.models import Agent, AgentForest, UnsealingKey
from keyback.portal.audit.words import Activity, Result
from keyback.portal.audit.writer import write
from keyback.portal.organizations.models import Forest
from keyback.protocol.encoding import b64decode
from keyback.protocol.errors import ProtocolError
from keyback.protocol.messages import Heartbeat, UnsealKey
from keyback.protocol.sealing import load_unseal_key
from keyback.protocol.signing import load_public_key, sign_confirmation, verify_confirmation, verify_unsealing_key

__all__ = [
    "KeyRefused",
    "Target",
    "WrongState",
    "add_key",
    "audience",
    "confirm",
    "record_heartbeat",
    "revoke",
    "sealing_targets",
    "seen",
]

_log = logging.getLogger(__name__)
_SEEN_EVERY = timedelta(seconds=20)


class WrongState(KeybackError):
    """The agent is not in a state in which this is possible."""

    code = "wrong_state"


class KeyRefused(KeybackError):
    """Not a P-256 point, or a key id that stands for another key already."""

    code = "key_refused"


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to seal for: one agent and its newest key (uncompressed P-256 point, 65 bytes)."""

    agent_id: UUID
    key_id: str
    public: bytes


def audience() -> str:
    """What an agent's assertion must name: this portal's token address, from configuration."""
    return f"{settings.CONFIG.public_url}/agents/v1/token"


def confirm(agent: Agent, by: str, now: datetime) -> None:
    """An administrator has compared the fingerprint. Raises WrongState for an agent that is not pending."""
    vouched = sign_confirmation(settings.KEYRING.requests, agent.organization_id, agent.pk, bytes(agent.sign_public))
    with transaction.atomic():
        # The key that was compared, not one that took its place meanwhile.
        changed = Agent.objects.filter(
            pk=agent.pk, state=Agent.State.PENDING, sign_public=bytes(agent.sign_public)
        ).update(state=Agent.State.CONFIRMED, confirmed_at=now, confirmed_by=by[:100], confirmation=vouched)
        if not changed:
            raise WrongState("only a pending agent can be confirmed")
        _tell(agent, Activity.AGENT_CONFIRMED, by, now)
    agent.refresh_from_db()


def revoke(agent: Agent, by: str, now: datetime) -> None:
    """For good: its next call is refused, its open poll ends, what it was doing is taken over or resolved by others.
    Raises WrongState for an agent that is revoked already."""
    # The requests know agents; only here do agents need to know the requests.
    from keyback.portal.writeback.requests import release_agent

    with transaction.atomic():
        changed = (
            Agent.objects.filter(pk=agent.pk)
            .exclude(state=Agent.State.REVOKED)
            .update(state=Agent.State.REVOKED, revoked_at=now)
        )
        if not changed:
            raise WrongState("this agent is revoked already")
        release_agent(agent, now)
        _tell(agent, Activity.AGENT_REVOKED, by, now)
        wake.notify(wake.work_of(agent.organization_id))
    agent.refresh_from_db()


def _tell(agent: Agent, activity: Activity, by: str, now: datetime) -> None:
    write(
        agent.organization_id,
        activity,
        result=Result.SUCCESS,
        actor=by,
        now=now,
        details={"agent": str(agent.pk), "name": agent.name, "fingerprint": agent.fingerprint},
    )


def add_key(agent: Agent, key: UnsealKey, now: datetime) -> None:
    """The agent's next unsealing key: pages seal for the newest. The same key again changes nothing. Raises
    KeyRefused."""
    public = read_point(key, bytes(agent.sign_public))
    row, made = UnsealingKey.objects.get_or_create(
        agent=agent,
        key=key.key,
        defaults={
            "organization_id": agent.organization_id,
            "public": public,
            "signature": b64decode(key.signature),
            "created_at": now,
            "expires_at": now + timedelta(seconds=key.life_s),
        },
    )
    if not made and bytes(row.public) != public:
        raise KeyRefused("this key id stands for another key already")
    if made:
        write(
            agent.organization_id,
            Activity.AGENT_KEY_ADDED,
            result=Result.SUCCESS,
            actor=f"agent:{agent.pk}",
            now=now,
            details={"key": key.key},
        )


def read_point(key: UnsealKey, sign_public: bytes) -> bytes:
    """The key's 65 bytes. Raises KeyRefused for what is not a point of P-256, or not vouched for by its agent."""
    try:
        public = b64decode(key.public)
        load_unseal_key(public)
        verify_unsealing_key(load_public_key(sign_public), key.key, public, b64decode(key.signature))
    except ProtocolError as error:
        raise KeyRefused(f"the unsealing key is {error}") from None
    if len(public) != 65:
        raise KeyRefused("the unsealing key must be an uncompressed point")
    return public


def sealing_targets(organization_id: UUID, forest_id: UUID, now: datetime) -> list[Target]:
    """One for each confirmed agent of this organization that serves this forest and has a key that still lives; none
    where writeback is off.

    Rows alone make nobody a target: the people's door must have vouched for the agent, and the agent for its key. The
    organization is part of what is vouched for; a row that lends an agent to another one's forest changes nothing.
    """
    newest: dict[UUID, Target] = {}
    given = sql.values(organization=organization_id, forest=forest_id, now=now)
    for key, agent in sql.instances(_KEYS, given, UnsealingKey, Agent):
        if key.agent_id not in newest and _vouched_for(key, agent):
            newest[key.agent_id] = Target(key.agent_id, key.key, bytes(key.public))
    return list(newest.values())


_KEYS = f"""
SELECT {sql.columns(UnsealingKey, "k")}, {sql.columns(Agent, "a")}
FROM {UnsealingKey._meta.db_table} k
JOIN {Agent._meta.db_table} a ON a.id = k.agent_id
JOIN {AgentForest._meta.db_table} s ON s.agent_id = a.id
JOIN {Forest._meta.db_table} f ON f.id = s.forest_id
WHERE a.organization_id = %(organization)s AND a.state = 'confirmed' AND s.forest_id = %(forest)s
    AND s.writeback AND f.writeback AND k.expires_at > %(now)s
ORDER BY k.agent_id, k.created_at DESC, k.id DESC
"""  # noqa: S608 — table names


def _vouched_for(key: UnsealingKey, agent: Agent) -> bool:
    sign_public = bytes(agent.sign_public)
    try:
        verify_confirmation(
            settings.KEYRING.requests_public,
            agent.organization_id,
            agent.pk,
            sign_public,
            bytes(agent.confirmation or b""),
        )
        verify_unsealing_key(load_public_key(sign_public), key.key, bytes(key.public), bytes(key.signature))
    except ProtocolError:
        _log.error("agent %s or its key %s is not vouched for: somebody wrote the database", agent.pk, key.key)
        return False
    return True


def seen(agent: Agent, now: datetime) -> None:
    """Notes that the agent was here; writes at most every 20 seconds, so that a busy agent does not cost a write a
    call."""
    stale = now - _SEEN_EVERY
    if agent.last_seen_at is None or agent.last_seen_at < stale:
        Agent.objects.filter(Q(last_seen_at__isnull=True) | Q(last_seen_at__lt=stale), pk=agent.pk).update(
            last_seen_at=now
        )
        agent.last_seen_at = now


def record_heartbeat(agent: Agent, heartbeat: Heartbeat, now: datetime) -> None:
    Agent.objects.filter(pk=agent.pk).update(
        heartbeat=heartbeat.model_dump(mode="json"), heartbeat_at=now, last_seen_at=now, version=heartbeat.version
    )
