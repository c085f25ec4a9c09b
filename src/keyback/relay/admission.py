"""Who calls: the bearer token names the agent; its signature over path and body shows that no proxy changed either."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from starlette.requests import Request

from keyback.errors import KeybackError
from keyback.portal.agents.models import Agent
from keyback.portal.agents.tokens import authenticate
from keyback.portal.limits.budgets import Blocked
from keyback.protocol import versions
from keyback.protocol.errors import Malformed, OutOfDate, ProtocolError
from keyback.protocol.signing import load_public_key, verify_agent_call
from keyback.relay import bodies, problems
from keyback.relay.problems import (
    AGENT_OUT_OF_DATE,
    MALFORMED,
    SIGNATURE_REFUSED,
    TOKEN_REFUSED,
    TOO_MANY_CALLS,
    UNSUPPORTED_TYPE,
    Problem,
    Refusal,
)

__all__ = ["FORM", "JSON", "SIGNATURE_HEADER", "Credentials", "admit", "as_refusals", "take_body", "version_of"]

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
SIGNATURE_HEADER = "Keyback-Signature"

_PROBLEMS = {problem.code: problem for problem in vars(problems).values() if isinstance(problem, Problem)}


@dataclass(frozen=True, slots=True)
class Credentials:
    """What one call shows."""

    path: str
    bearer: str = field(repr=False)
    signature: str = field(repr=False)
    protocol: str | None = None

    @classmethod
    def of(cls, request: Request) -> Credentials:
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        return cls(
            path=request.url.path,
            bearer=bearer.strip() if scheme.lower() == "bearer" else "",
            signature=request.headers.get(SIGNATURE_HEADER, ""),
            protocol=request.headers.get(versions.HEADER),
        )

    def version(self, agent: Agent | None = None) -> int:
        """The version of the protocol that both sides speak. Raises Refusal (400, 403)."""
        return version_of(self.protocol, agent)


def version_of(header: str | None, agent: Agent | None = None) -> int:
    """As :meth:`Credentials.version`."""
    try:
        return versions.agreed(versions.spoken(header))
    except Malformed as error:
        raise Refusal(MALFORMED, str(error)) from None
    except OutOfDate:
        raise Refusal(AGENT_OUT_OF_DATE, agent=agent) from None


async def take_body(request: Request, media_type: str) -> bytes:
    """The body, of this type and no other. Raises Refusal (408, 413, 415) and ClientGone."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await bodies.drain(request.receive)
    if given != media_type or request.headers.get("content-encoding", "identity") != "identity":
        raise Refusal(UNSUPPORTED_TYPE)
    return bodies.whole(body)


def admit(credentials: Credentials, body: bytes, now: datetime) -> Agent:
    """The confirmed agent that signed this call. Raises Refusal (401, 403). One query."""
    if not credentials.bearer:
        raise Refusal(TOKEN_REFUSED)
    agent = authenticate(credentials.bearer, now)
    try:
        key = load_public_key(bytes(agent.sign_public))
        verify_agent_call(key, agent.id, credentials.path, body, credentials.signature)
    except ProtocolError:
        raise Refusal(SIGNATURE_REFUSED, agent=agent) from None
    credentials.version(agent)
    return agent


@contextmanager
def as_refusals(now: datetime) -> Iterator[None]:
    """Turns the portal's own refusals into the door's, by their codes. Their texts stay here: they may say too much."""
    try:
        yield
    except Refusal:
        raise
    except Blocked as error:
        seconds = max(1, int((error.until - now).total_seconds()) + 1)
        raise Refusal(TOO_MANY_CALLS, retry_after=seconds) from None
    except KeybackError as error:
        problem = _PROBLEMS.get(error.code)
        if problem is None:
            raise
        raise Refusal(problem, agent=getattr(error, "agent", None)) from None
