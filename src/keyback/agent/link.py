"""Everything that is said to the portal: outbound HTTPS, each call signed, each answer read strictly.

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
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar
from uuid import UUID, uuid4

import httpx2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwt
from joserfc.jwk import OKPKey
from pydantic import BaseModel, ConfigDict, ValidationError

from keyback.agent.clock import Clock
from keyback.agent.identity import Identity
from keyback.agent.proxies import ProxyConfig, transport
from keyback.directory import tls_problem
from keyback.errors import ConfigurationError, KeybackError
from keyback.protocol import errors as protocol
from keyback.protocol import versions
from keyback.protocol.errors import Malformed
from keyback.protocol.limits import MAX_ASSERTION_LIFE
from keyback.protocol.messages import (
    BannedAnswer,
    BannedQuestion,
    ForestStates,
    Heartbeat,
    Message,
    NewKey,
    Offboarding,
    Onboarded,
    Onboarding,
    Outcome,
    OutcomeReceipt,
    PersonAnswer,
    PersonQuestion,
    Poll,
    Push,
    PushReceipt,
    Served,
    SignedTerms,
    Token,
    UnsealKey,
    WorkList,
    WriteGrant,
    WriteIntent,
    parse,
)
from keyback.protocol.signing import sign_agent_call, sign_onboarding

__all__ = [
    "Cause",
    "InvalidAnswer",
    "Link",
    "LinkError",
    "NotConfirmed",
    "OutOfDate",
    "Refused",
    "Revoked",
    "Unreachable",
    "http_client",
    "onboard",
    "tls_context",
]

CALL_TIMEOUT = 15.0
"""Seconds for an ordinary call. A poll has this much on top of what it asked the portal to wait."""

DRIPPING = 20.0
"""Seconds more for an answer that has begun; with both a dead poll is noticed within 90 s."""

TOKEN_MARGIN = 30.0
MAX_ANSWER_BYTES = 5_000_000

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


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
class _Answer:
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


def onboard(client: httpx2.Client, portal: str, message: Onboarding, key: Ed25519PrivateKey) -> Onboarded:
    """Makes the agent's public keys known. Raises Refused for a bad code, Unreachable, InvalidAnswer."""
    # To a portal of the version before, which says so in this answer: nothing newer than that is needed to onboard.
    body = versions.dump(message, max(1, versions.CURRENT - 1))
    answer = _post(
        client,
        f"{portal}/agents/v1/onboard",
        body,
        {"Content-Type": "application/json", "Keyback-Signature": sign_onboarding(key, body)},
        CALL_TIMEOUT,
    )
    onboarded = _read(Onboarded, _accepted(answer))
    _agreed(answer)
    return onboarded


class Link:
    """The calls of an onboarded agent; safe in threads, which share kept connections and one token."""

    def __init__(
        self, client: httpx2.Client, identity: Identity, portal: str, key: Ed25519PrivateKey, clock: Clock
    ) -> None:
        self._client = client
        self._identity = identity
        self._portal = portal
        self._key = key
        self._jwk = OKPKey.import_key(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self._clock = clock
        self._lock = threading.Lock()
        self._token = ""
        self._token_until = 0.0
        self._skew = timedelta(0)
        self._version = versions.CURRENT

    def close(self) -> None:
        self._client.close()

    def sign_in(self) -> None:
        """Asks for a fresh token, to see whether the portal takes this agent's credentials."""
        _ = self._new_token()

    def poll(self, boot_id: UUID, capacity: int, holding: list[UUID], wait_s: int) -> WorkList:
        """Waits up to ``wait_s`` seconds for work. ``holding``: the requests that this process is at."""
        message = Poll(boot_id=boot_id, wait_s=wait_s, capacity=capacity, holding=holding)
        return _read(WorkList, self._call("poll", message, timeout=wait_s + CALL_TIMEOUT, tries=1))

    def ask_to_write(self, request_id: UUID, intent: WriteIntent) -> WriteGrant:
        return _read(WriteGrant, self._call(f"requests/{request_id}/writing", intent))

    def report(self, outcome: Outcome) -> OutcomeReceipt:
        return _read(OutcomeReceipt, self._call(f"requests/{outcome.request_id}/outcome", outcome))

    def push(self, push: Push) -> PushReceipt:
        # A first run writes every person anew; the door may take its time over five hundred of them.
        return _read(PushReceipt, self._call("people", push, timeout=4 * CALL_TIMEOUT))

    def show(self, question: PersonQuestion) -> PersonAnswer:
        """How the portal has one object of a forest."""
        return _read(PersonAnswer, self._call("people/show", question))

    def new_key(self, key: UnsealKey) -> None:
        self._call("keys", NewKey(unseal=key))

    def serve(self, served: Served) -> ForestStates:
        return _read(ForestStates, self._call("forests", served))

    def offboard(self) -> None:
        self._call("offboard", Offboarding())

    def newer_banned_terms(self, have: int) -> SignedTerms | None:
        """The organization's list, when there is one that is newer."""
        return _read(BannedAnswer, self._call("banned", BannedQuestion(have=have))).terms

    def heartbeat(self, heartbeat: Heartbeat) -> None:
        self._call("heartbeat", heartbeat)

    def _call(self, place: str, message: Message, *, timeout: float = CALL_TIMEOUT, tries: int = 2) -> bytes:
        """The answer's body. A call whose kept connection turns out to be cut is repeated at once on a new one: every
        call but the poll means the same when it arrives twice, and the poll's own loop tells of cuts."""
        path = f"/agents/v1/{place}"
        token = self._bearer()  # and with it the portal's version
        body = versions.dump(message, self._version)
        headers = {
            "Content-Type": "application/json",
            "Keyback-Signature": sign_agent_call(self._key, self._identity.agent_id, path, body),
        }
        answer = self._send(path, body, {**headers, "Authorization": f"Bearer {token}"}, timeout, tries)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            self._forget(token)
            headers["Authorization"] = f"Bearer {self._bearer()}"
            answer = self._send(path, body, headers, timeout, tries)
        return _accepted(answer)

    def _send(self, path: str, body: bytes, headers: dict[str, str], timeout: float, tries: int) -> _Answer:
        try:
            return _post(self._client, self._portal + path, body, headers, timeout)
        except Unreachable as error:
            if tries == 1 or error.cause is not Cause.CUT:
                raise
        return self._send(path, body, headers, timeout, tries - 1)

    def _bearer(self) -> str:
        with self._lock:
            if self._clock.elapsed() >= self._token_until:
                asked = self._clock.elapsed()
                token = self._new_token()
                self._token = token.access_token
                self._token_until = asked + max(1.0, token.expires_in - TOKEN_MARGIN)
            return self._token

    def _forget(self, token: str) -> None:
        with self._lock:
            if token == self._token:
                self._token_until = 0.0

    def _new_token(self) -> Token:
        answer = self._ask_for_token()
        if answer.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED) and self._learn_skew(answer):
            answer = self._ask_for_token()
        token = _read(Token, _accepted(answer))
        self._version = _agreed(answer)
        return token

    def _ask_for_token(self) -> _Answer:
        issued = int((self._clock.now() + self._skew).timestamp())
        me = str(self._identity.agent_id)
        claims = {
            "iss": me,
            "sub": me,
            "aud": self._identity.audience,
            "iat": issued,
            "exp": issued + MAX_ASSERTION_LIFE,
            "jti": str(uuid4()),
        }
        assertion = jwt.encode({"alg": "Ed25519"}, claims, self._jwk, algorithms=["Ed25519"])
        form = httpx2.QueryParams(
            {
                "grant_type": "client_credentials",
                "client_assertion_type": _ASSERTION_TYPE,
                "client_assertion": assertion,
            }
        )
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return _post(self._client, f"{self._portal}/agents/v1/token", str(form).encode(), headers, CALL_TIMEOUT)

    def _learn_skew(self, answer: _Answer) -> bool:
        """Whether the portal's clock differs so much that it explains a refused assertion; then remembers by how much.

        Only the dates in assertions follow it, which the portal judges: it cannot gain anything by lying about its own
        clock. Every deadline is counted on this machine alone.
        """
        try:
            theirs = parsedate_to_datetime(answer.headers.get("Date", ""))
        except ValueError:
            return False
        ours = self._clock.now()
        skew = theirs.replace(tzinfo=theirs.tzinfo or UTC) - ours
        if abs(skew - self._skew) < timedelta(seconds=10):
            return False
        self._skew = skew
        return True


def _agreed(answer: _Answer) -> int:
    """The version of the protocol that both sides speak. Raises OutOfDate, InvalidAnswer."""
    try:
        return versions.agreed(versions.spoken(answer.headers.get(versions.HEADER)))
    except protocol.OutOfDate as error:
        raise OutOfDate("portal_out_of_date", f"the portal has to be upgraded: {error}") from None
    except Malformed as error:
        raise InvalidAnswer(str(error)) from None


def _post(client: httpx2.Client, url: str, body: bytes, headers: dict[str, str], timeout: float) -> _Answer:
    # The client's own limit is for one read: an answer that drips in would hold a call for ever.
    until = time.monotonic() + timeout + DRIPPING
    try:
        with client.stream("POST", url, content=body, headers=headers, timeout=timeout) as answer:
            read = bytearray()
            for part in answer.iter_bytes():
                read += part
                if len(read) > MAX_ANSWER_BYTES:
                    raise InvalidAnswer("the answer is too long")
                if time.monotonic() > until:
                    raise Unreachable("the answer comes too slowly", Cause.CUT)
            return _Answer(answer.status_code, answer.headers, bytes(read))
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


def _accepted(answer: _Answer) -> bytes:
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


def _retry_after(answer: _Answer) -> float:
    try:
        return min(60.0, max(0.0, float(answer.headers.get("Retry-After", "0"))))
    except ValueError:
        return 0.0


def _read(model: type[M], body: bytes) -> M:
    try:
        return parse(model, body)
    except Malformed as error:
        raise InvalidAnswer(f"not a {model.__name__}: {error}") from None
