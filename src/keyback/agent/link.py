"""What an agent says to the portal, call by call: each signed, under a bearer that it gets with its own key. How that
gets there, and what may go wrong on the way, is in keyback.agent.exchange.
"""

from __future__ import annotations

import threading
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from uuid import UUID, uuid4

import httpx2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwt
from joserfc.jwk import OKPKey

from keyback.agent.clock import Clock
from keyback.agent.exchange import CALL_TIMEOUT, Answer, Cause, Unreachable, accepted, agreed, post, read
from keyback.agent.identity import Identity
from keyback.protocol import versions
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
)
from keyback.protocol.signing import sign_agent_call, sign_onboarding

__all__ = ["Link", "onboard"]

TOKEN_MARGIN = 30.0

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def onboard(client: httpx2.Client, portal: str, message: Onboarding, key: Ed25519PrivateKey) -> Onboarded:
    """Makes the agent's public keys known. Raises Refused for a bad code, Unreachable, InvalidAnswer."""
    # To a portal of the version before, which says so in this answer: nothing newer than that is needed to onboard.
    body = versions.dump(message, max(1, versions.CURRENT - 1))
    answer = post(
        client,
        f"{portal}/agents/v1/onboard",
        body,
        {"Content-Type": "application/json", "Keyback-Signature": sign_onboarding(key, body)},
        CALL_TIMEOUT,
    )
    onboarded = read(Onboarded, accepted(answer))
    agreed(answer)
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
        return read(WorkList, self._call("poll", message, timeout=wait_s + CALL_TIMEOUT, tries=1))

    def ask_to_write(self, request_id: UUID, intent: WriteIntent) -> WriteGrant:
        return read(WriteGrant, self._call(f"requests/{request_id}/writing", intent))

    def report(self, outcome: Outcome) -> OutcomeReceipt:
        return read(OutcomeReceipt, self._call(f"requests/{outcome.request_id}/outcome", outcome))

    def push(self, push: Push) -> PushReceipt:
        # A first run writes every person anew; the door may take its time over five hundred of them.
        return read(PushReceipt, self._call("people", push, timeout=4 * CALL_TIMEOUT))

    def show(self, question: PersonQuestion) -> PersonAnswer:
        """How the portal has one object of a forest."""
        return read(PersonAnswer, self._call("people/show", question))

    def new_key(self, key: UnsealKey) -> None:
        self._call("keys", NewKey(unseal=key))

    def serve(self, served: Served) -> ForestStates:
        return read(ForestStates, self._call("forests", served))

    def offboard(self) -> None:
        self._call("offboard", Offboarding())

    def newer_banned_terms(self, have: int) -> SignedTerms | None:
        """The organization's list, when there is one that is newer."""
        return read(BannedAnswer, self._call("banned", BannedQuestion(have=have))).terms

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
        return accepted(answer)

    def _send(self, path: str, body: bytes, headers: dict[str, str], timeout: float, tries: int) -> Answer:
        try:
            return post(self._client, self._portal + path, body, headers, timeout)
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
        token = read(Token, accepted(answer))
        self._version = agreed(answer)
        return token

    def _ask_for_token(self) -> Answer:
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
        return post(self._client, f"{self._portal}/agents/v1/token", str(form).encode(), headers, CALL_TIMEOUT)

    def _learn_skew(self, answer: Answer) -> bool:
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
