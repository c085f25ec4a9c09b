"""How an onboarded agent shows that it is itself: RFC 7523 assertions, signed by its key, for short-lived bearers."""

from __future__ import annotations

import hashlib
import json
import secrets
import warnings
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import OKPKey

from keyback.errors import KeybackError
from keyback.portal import sql
from keyback.portal.agents.models import Agent, AgentToken, AssertionId, OnboardingCode
from keyback.portal.agents.registry import audience, seen
from keyback.protocol import versions
from keyback.protocol.encoding import b64decode
from keyback.protocol.errors import Malformed, OutOfDate
from keyback.protocol.limits import MAX_ASSERTION_LIFE, TOKEN_LIFE
from keyback.protocol.messages import Token
from keyback.protocol.signing import load_public_key

__all__ = ["NotAdmitted", "TokenRefused", "Unauthenticated", "authenticate", "issue_token", "purge"]

_SKEW = 30
"""Seconds by which an agent's clock may differ. Kerberos keeps machines of one domain within five minutes at worst,
and far closer as a rule; an assertion cannot be used twice however long it lives."""

_ALGORITHMS = ["Ed25519", "EdDSA"]  # RFC 9864's name, and RFC 8037's older one for the same
warnings.filterwarnings("ignore", "EdDSA is deprecated", SecurityWarning)


_AGENT_OF = (
    f"SELECT {sql.columns(Agent, 'agent')} FROM {Agent._meta.db_table} agent JOIN {AgentToken._meta.db_table} token "  # noqa: S608 — table names
    "ON token.agent_id = agent.id WHERE token.token_sha256 = %(token)s AND token.expires_at > %(now)s"
)


class TokenRefused(KeybackError):
    """RFC 6749 section 5.2, ``invalid_client``. ``description``: agent_pending, agent_revoked,
    agent_out_of_date or assertion_refused. ``agent``: who has proved to be itself, and is refused all the same."""

    code = "invalid_client"

    def __init__(self, description: str, agent: Agent | None = None) -> None:
        super().__init__(description)
        self.description = description
        self.agent = agent


class Unauthenticated(KeybackError):
    """The bearer is unknown or over: the agent gets a new one."""

    code = "token_refused"


class NotAdmitted(KeybackError):
    """``code``: agent_pending or agent_revoked."""

    def __init__(self, agent: Agent) -> None:
        super().__init__(f"this agent is {agent.state}")
        self.code = f"agent_{agent.state}"
        self.agent = agent


def issue_token(assertion: str, now: datetime, protocol: int = versions.CURRENT) -> Token:
    """A bearer for the agent that signed this assertion. ``protocol``: the version that it speaks. Raises
    TokenRefused."""
    agent = _named_agent(assertion)
    claims = _verified_claims(assertion, agent)
    _check(claims, agent, now)
    if agent.state != Agent.State.CONFIRMED:
        raise TokenRefused(f"agent_{agent.state}", agent)
    _check_version(agent, protocol)
    bearer = secrets.token_urlsafe(32)
    try:
        with transaction.atomic():
            AssertionId.objects.create(
                organization_id=agent.organization_id,
                agent=agent,
                jti=claims["jti"],
                expires_at=datetime.fromtimestamp(claims["exp"] + 2 * _SKEW, UTC),
            )
            AgentToken.objects.create(
                organization_id=agent.organization_id,
                agent=agent,
                token_sha256=_digest(bearer),
                expires_at=now + timedelta(seconds=TOKEN_LIFE),
            )
    except IntegrityError:
        raise TokenRefused("assertion_refused") from None  # this jti was used
    return Token(access_token=bearer, expires_in=TOKEN_LIFE)


def _check_version(agent: Agent, protocol: int) -> None:
    if agent.protocol != protocol:
        Agent.objects.filter(pk=agent.pk).update(protocol=protocol)
    try:
        versions.agreed(protocol)
    except OutOfDate:
        raise TokenRefused("agent_out_of_date", agent) from None


def _named_agent(assertion: str) -> Agent:
    """Whom the assertion says it is from; nothing of it is believed yet."""
    try:
        payload = json.loads(b64decode(assertion.split(".")[1]))
        agent_id = UUID(payload["sub"])
    except (IndexError, KeyError, TypeError, ValueError, AttributeError, RecursionError, Malformed):
        raise TokenRefused("assertion_refused") from None
    agent = Agent.objects.filter(pk=agent_id).first()
    if agent is None:
        raise TokenRefused("assertion_refused")
    return agent


def _verified_claims(assertion: str, agent: Agent) -> dict[str, Any]:
    key = OKPKey.import_key(load_public_key(bytes(agent.sign_public)))
    try:
        return jwt.decode(assertion, key, algorithms=_ALGORITHMS).claims
    except (JoseError, ValueError):
        raise TokenRefused("assertion_refused") from None


def _check(claims: dict[str, Any], agent: Agent, now: datetime) -> None:
    issued, expires, jti = claims.get("iat"), claims.get("exp"), claims.get("jti")
    moment = int(now.timestamp())
    sound = (
        claims.get("iss") == claims.get("sub") == str(agent.id)
        and claims.get("aud") == audience()
        and type(issued) is int
        and type(expires) is int
        and isinstance(jti, str)
        and 8 <= len(jti) <= 64
        and jti.isprintable()
        and 0 < expires - issued <= MAX_ASSERTION_LIFE
        and issued <= moment + _SKEW
        and moment < expires + _SKEW
    )
    if not sound:
        raise TokenRefused("assertion_refused")


def authenticate(bearer: str, now: datetime) -> Agent:
    """The confirmed agent of this bearer, by one query: revocation counts from this very call. Raises Unauthenticated
    or NotAdmitted.

    Every call of every agent begins here: Django takes five times as long to build this query as the database to answer
    it, so it is written out.
    """
    found = sql.instances(_AGENT_OF, sql.values(token=_digest(bearer), now=now), Agent)
    if not found:
        raise Unauthenticated("this token is unknown or over")
    agent: Agent = found[0][0]
    if agent.state != Agent.State.CONFIRMED:
        raise NotAdmitted(agent)
    seen(agent, now)
    return agent


def purge(now: datetime) -> int:
    """Removes what is over: tokens, assertion ids, and codes a week after their end. How many rows."""
    return (
        AgentToken.objects.filter(expires_at__lte=now).delete()[0]
        + AssertionId.objects.filter(expires_at__lte=now).delete()[0]
        + OnboardingCode.objects.filter(expires_at__lte=now - timedelta(days=7)).delete()[0]
    )


def _digest(bearer: str) -> bytes:
    return hashlib.sha256(bearer.encode("utf-8", "surrogatepass")).digest()
