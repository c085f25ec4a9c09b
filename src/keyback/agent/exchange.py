"""One exchange with the portal over HTTPS: the client, a call, an answer that is read strictly, and what may go wrong.

LinkError
├── Unreachable     no answer, or one that says "later"; try again     (``cause`` names it)
├── InvalidAnswer   an answer that is not of the protocol, a redirect included (event 32008)
└── Refused         the portal's own refusal, with its stable code
    ├── NotConfirmed  no administrator has confirmed this agent yet
    ├── OutOfDate     agent or portal is more than one version behind the other
    └── Revoked       an administrator has revoked it
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

import httpx2
from pydantic import BaseModel, ConfigDict, ValidationError

from keyback.agent.proxies import ProxyConfig, transport
from keyback.directory import tls_problem
from keyback.errors import ConfigurationError, KeybackError
from keyback.protocol import errors as protocol
from keyback.protocol import versions
from keyback.protocol.errors import Malformed
from keyback.protocol.messages import Message, parse

__all__ = [
    "CALL_TIMEOUT",
    "Answer",
    "Cause",
    "InvalidAnswer",
    "LinkError",
    "NotConfirmed",
    "OutOfDate",
    "Refused",
    "Revoked",
    "Unreachable",
    "accepted",
    "agreed",
    "http_client",
    "post",
    "read",
    "tls_context",
]

CALL_TIMEOUT = 15.0
"""Seconds for an ordinary call. A poll has this much on top of what it asked the portal to wait."""

DRIPPING = 20.0
"""Seconds more for an answer that has begun; with both a dead poll is noticed within 90 s."""

MAX_ANSWER_BYTES = 5_000_000


class Cause(StrEnum):
    NETWORK = "network"
    CUT = "cut"  # a connection that was made, and ended before the answer
    TLS = "tls"
    PROXY = "proxy"
    BUSY = "busy"


class LinkError(KeybackError):
    code = "link"


class Unreachable(LinkError):
    """``retry_after``: seconds that the portal asked for, 0 if it did not."""

    code = "unreachable"

    def __init__(self, message: str, cause: Cause, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.cause = cause
        self.retry_after = retry_after


class InvalidAnswer(LinkError):
    code = "invalid_answer"


class Refused(LinkError):
    """``code`` is the portal's word, such as ``no_such_request``."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code


class NotConfirmed(Refused):
    pass


class OutOfDate(Refused):
    """``code``: agent_out_of_date, or portal_out_of_date where this agent is too new for its portal."""


class Revoked(Refused):
    pass


class _Problem(BaseModel):
    """What the agents' door answers instead: its own form, or RFC 6749 section 5.2."""

    model_config = ConfigDict(hide_input_in_errors=True)

    error: str
    message: str = ""
    error_description: str = ""


M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Verifies with these authorities, or with the system's. Raises ConfigurationError."""
    try:
        context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ssl.SSLError):
        raise ConfigurationError(f"{ca_file}: cannot read the portal's certificate authorities") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def http_client(ca_file: Path | None, proxy: ProxyConfig) -> httpx2.Client:
    """A client that verifies certificates, follows no redirect, and takes the configured way out. Raises
    ConfigurationError."""
    way, by_environment = transport(proxy)
    return httpx2.Client(
        verify=tls_context(ca_file),
        proxy=way,
        trust_env=by_environment,
        follow_redirects=False,
        timeout=CALL_TIMEOUT,
        # A connection that a proxy or the portal may have dropped meanwhile is not worth a failed call.
        limits=httpx2.Limits(max_connections=40, max_keepalive_connections=20, keepalive_expiry=30.0),
        headers={
            "User-Agent": "keyback-agent",
            "Accept-Encoding": "identity",
            versions.HEADER: str(versions.CURRENT),
        },
    )


def agreed(answer: Answer) -> int:
    """The version of the protocol that both sides speak. Raises OutOfDate, InvalidAnswer."""
    try:
        return versions.agreed(versions.spoken(answer.headers.get(versions.HEADER)))
    except protocol.OutOfDate as error:
        raise OutOfDate("portal_out_of_date", f"the portal has to be upgraded: {error}") from None
    except Malformed as error:
        raise InvalidAnswer(str(error)) from None


def post(client: httpx2.Client, url: str, body: bytes, headers: dict[str, str], timeout: float) -> Answer:
    """The answer, whatever it is. Raises Unreachable and InvalidAnswer."""
    # The client's own limit is for one read: an answer that drips in would hold a call for ever.
    until = time.monotonic() + timeout + DRIPPING
    # A poll's answer may take its time, a connection may not: where packets vanish it would be tried for a minute.
    limits = httpx2.Timeout(timeout, connect=min(timeout, CALL_TIMEOUT))
    try:
        with client.stream("POST", url, content=body, headers=headers, timeout=limits) as answer:
            body_read = bytearray()
            for part in answer.iter_bytes():
                body_read += part
                if len(body_read) > MAX_ANSWER_BYTES:
                    raise InvalidAnswer("the answer is too long")
                if time.monotonic() > until:
                    raise Unreachable("the answer comes too slowly", Cause.CUT)
            return Answer(answer.status_code, answer.headers, bytes(body_read))
    except httpx2.ProxyError as error:
        raise Unreachable(f"proxy: {error}", Cause.PROXY) from error
    except httpx2.DecodingError as error:
        raise InvalidAnswer("the answer cannot be decoded") from error
    except httpx2.RequestError as error:
        raise _unreachable(error) from error


def _unreachable(error: httpx2.RequestError) -> Unreachable:
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, ssl.SSLError):
            return Unreachable(f"TLS: {tls_problem(below, 'ca_file')}", Cause.TLS)
        below = below.__cause__ or below.__context__
    cut = isinstance(error, httpx2.RemoteProtocolError | httpx2.ReadError | httpx2.WriteError)
    return Unreachable(str(error) or type(error).__name__, Cause.CUT if cut else Cause.NETWORK)


def accepted(answer: Answer) -> bytes:
    """The body of a success. Raises the error that another status stands for."""
    if 200 <= answer.status < 300:
        return answer.body
    if answer.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        text = "answered 407: it asks for a name and a password, or refuses those of [proxy]"
        raise Unreachable(f"the proxy {text}", Cause.PROXY)
    if 300 <= answer.status < 400:
        raise InvalidAnswer(f"answered {answer.status}: redirects are not followed")
    try:
        problem = _Problem.model_validate_json(answer.body)
    except ValidationError:
        problem = None
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        said = f" {problem.error}" if problem else ""
        raise Unreachable(f"answered {answer.status}{said}", Cause.BUSY, _retry_after(answer))
    if problem is None:
        # Not the portal: a proxy's own page, most likely.
        raise InvalidAnswer(f"answered {answer.status} without a reason")
    raise _refused(problem)


def _refused(problem: _Problem) -> Refused:
    words = {problem.error, problem.error_description}
    if "agent_pending" in words:
        return NotConfirmed("agent_pending", "an administrator has to confirm this agent")
    if "agent_out_of_date" in words:
        return OutOfDate("agent_out_of_date", "this agent has to be upgraded")
    if "agent_revoked" in words:
        return Revoked("agent_revoked", "an administrator has revoked this agent")
    return Refused(problem.error, problem.message or problem.error_description)


def _retry_after(answer: Answer) -> float:
    try:
        return min(60.0, max(0.0, float(answer.headers.get("Retry-After", "0"))))
    except ValueError:
        return 0.0


def read(model: type[M], body: bytes) -> M:
    """Raises InvalidAnswer."""
    try:
        return parse(model, body)
    except Malformed as error:
        raise InvalidAnswer(f"not a {model.__name__}: {error}") from None
