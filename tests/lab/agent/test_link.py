"""The link's manners with odd answers, from a server that can be made to give them. Real answers: test_service.py."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Annotated, Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.jwk import OKPKey

from keyback.agent import exchange
from keyback.agent.clock import SystemClock
from keyback.agent.exchange import (
    Cause,
    InvalidAnswer,
    LinkError,
    NotConfirmed,
    OutOfDate,
    Refused,
    Revoked,
    Unreachable,
    http_client,
)
from keyback.agent.identity import Identity
from keyback.agent.link import Link
from keyback.agent.proxies import ProxyConfig
from keyback.protocol import versions
from keyback.protocol.encoding import b64encode
from keyback.protocol.messages import Heartbeat, Outcome
from keyback.protocol.outcomes import OutcomeCode
from keyback.protocol.signing import verify_agent_call
from keyback.protocol.versions import Since

Answer = tuple[int, dict[str, str], bytes]
TOKEN = json.dumps({"access_token": "t", "token_type": "Bearer", "expires_in": 300}).encode()


class Door:
    """Answers each path from a list; the last answer of a list is given again and again."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {"/agents/v1/token": [(200, {}, TOKEN)]}
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        door = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                door.asked.append((self.path, dict(self.headers), body))
                waiting = door.answers[self.path]
                status, headers, content = waiting.pop(0) if len(waiting) > 1 else waiting[0]
                self.send_response_only(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def poll_answers(self, *answers: Answer) -> None:
        self.answers["/agents/v1/poll"] = list(answers)

    def paths(self) -> list[str]:
        return [path.rpartition("/")[2] for path, _, _ in self.asked]


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door()
    yield door
    door.server.shutdown()
    door.server.server_close()


KEY = Ed25519PrivateKey.generate()
ME = uuid4()


@pytest.fixture
def link(door: Door) -> Iterator[Link]:
    identity = Identity(
        agent_id=ME,
        organization_id=uuid4(),
        organization="Example",
        name="agent",
        portal=door.url,
        portal_key=KEY.public_key(),
        audience=f"{door.url}/agents/v1/token",
        fingerprint="",
        forests={},
    )
    link = Link(http_client(None, ProxyConfig()), identity, door.url, KEY, SystemClock())
    yield link
    link.close()


@pytest.fixture
def poll(link: Link) -> Callable[[], object]:
    return lambda: link.poll(uuid4(), 1, [], 0)


def test_a_call_is_signed_over_its_exact_bytes_and_carries_the_token(door: Door, poll: Callable[[], object]) -> None:
    door.poll_answers((200, {}, b'{"work": []}'))
    poll()
    path, headers, body = door.asked[-1]
    assert headers["Authorization"] == "Bearer t"
    verify_agent_call(KEY.public_key(), ME, path, body, headers["Keyback-Signature"])


class NewerHeartbeat(Heartbeat):
    """As a later version may send it."""

    temperature: Annotated[int, Since(2)] = 21


def newer_heartbeat() -> NewerHeartbeat:
    return NewerHeartbeat(
        version="9",
        uptime_s=1,
        requests_done=0,
        requests_refused=0,
        requests_unresolved=0,
        last_sync_people=0,
        last_sync_age_s=None,
        forests_reachable=1,
        forests=1,
        paused=False,
    )


@pytest.mark.parametrize(("portal", "told"), [({}, False), ({"Keyback-Protocol": "2"}, True)])
def test_a_portal_of_the_version_before_is_told_nothing_that_it_does_not_know(
    door: Door, link: Link, monkeypatch: pytest.MonkeyPatch, portal: dict[str, str], told: bool
) -> None:
    monkeypatch.setattr(versions, "CURRENT", 2)
    door.answers["/agents/v1/token"] = [(200, portal, TOKEN)]
    door.answers["/agents/v1/heartbeat"] = [(204, portal, b"")]
    link.heartbeat(newer_heartbeat())
    assert ("temperature" in json.loads(door.asked[-1][2])) == told


def test_a_portal_that_is_older_still_is_told_to_be_out_of_date(
    door: Door, poll: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "CURRENT", 3)
    with pytest.raises(OutOfDate, match="portal_out_of_date: the portal has to be upgraded"):
        poll()
    assert door.paths() == ["token"]


def test_an_agent_that_its_portal_calls_out_of_date_says_so(door: Door, poll: Callable[[], object]) -> None:
    door.answers["/agents/v1/token"] = [
        (401, {}, b'{"error": "invalid_client", "error_description": "agent_out_of_date"}')
    ]
    with pytest.raises(OutOfDate, match="agent_out_of_date: this agent has to be upgraded"):
        poll()


def test_the_assertion_is_short_lived_and_for_the_portal_alone(door: Door, poll: Callable[[], object]) -> None:
    door.poll_answers((200, {}, b'{"work": []}'))
    poll()
    form = dict(pair.split("=") for pair in door.asked[0][2].decode().split("&"))
    public = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": b64encode(KEY.public_key().public_bytes_raw())})
    claims = jwt.decode(form["client_assertion"], public, algorithms=["Ed25519"]).claims
    assert claims["aud"] == f"{door.url}/agents/v1/token"
    assert claims["iss"] == claims["sub"] == str(ME)
    assert claims["exp"] - claims["iat"] <= 60


def test_one_token_serves_many_calls_and_a_refused_one_is_replaced_once(door: Door, poll: Callable[[], object]) -> None:
    refused: Answer = (401, {}, b'{"error": "token_refused"}')
    door.poll_answers((200, {}, b'{"work": []}'), refused, (200, {}, b'{"work": []}'))
    poll()
    poll()
    assert door.paths() == ["token", "poll", "poll", "token", "poll"]


def test_a_token_that_is_refused_twice_is_told_and_not_tried_for_ever(door: Door, poll: Callable[[], object]) -> None:
    door.poll_answers((401, {}, b'{"error": "token_refused"}'))
    with pytest.raises(Refused, match="token_refused"):
        poll()
    assert door.paths() == ["token", "poll", "token", "poll"]


def test_a_clock_that_differs_from_the_portals_is_made_up_for(door: Door, poll: Callable[[], object]) -> None:
    early = {"Date": "Sun, 06 Nov 1994 08:49:37 GMT"}
    refused = b'{"error": "invalid_client", "error_description": "assertion_refused"}'
    door.answers["/agents/v1/token"] = [(401, early, refused), (200, {}, TOKEN)]
    door.poll_answers((200, {}, b'{"work": []}'))
    poll()
    assert door.paths() == ["token", "token", "poll"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((302, {"Location": "http://127.0.0.1:1/"}, b""), InvalidAnswer),
        ((307, {"Location": "/agents/v1/token"}, b""), InvalidAnswer),
        ((200, {}, b"<html>welcome to the hotel</html>"), InvalidAnswer),
        ((200, {}, b'{"work": [], "extra": 1}'), InvalidAnswer),
        ((200, {}, b""), InvalidAnswer),
        ((200, {"Content-Encoding": "gzip"}, b"not gzip"), InvalidAnswer),
        ((200, {}, b" " * 6_000_000), InvalidAnswer),
        ((403, {}, b"<html>blocked by policy</html>"), InvalidAnswer),
        ((404, {}, b'{"error": "no_such_request"}'), Refused),
        ((403, {}, b'{"error": "agent_pending"}'), NotConfirmed),
        ((403, {}, b'{"error": "agent_revoked"}'), Revoked),
        ((500, {}, b"oh"), Unreachable),
        ((503, {"Retry-After": "7"}, b'{"error": "busy"}'), Unreachable),
        ((429, {"Retry-After": "nonsense"}, b""), Unreachable),
    ],
)
def test_each_odd_answer_has_its_error(
    door: Door, poll: Callable[[], object], answer: Answer, error: type[LinkError]
) -> None:
    door.poll_answers(answer)
    with pytest.raises(error) as told:
        poll()
    assert type(told.value) is error
    if isinstance(told.value, Unreachable):
        assert told.value.cause is Cause.BUSY
        assert told.value.retry_after == (7 if answer[0] == 503 else 0)


@pytest.mark.parametrize("word", ["agent_pending", "agent_revoked"])
def test_what_the_token_endpoint_says_of_the_agent_is_understood(
    door: Door, poll: Callable[[], object], word: str
) -> None:
    said = json.dumps({"error": "invalid_client", "error_description": word}).encode()
    door.answers["/agents/v1/token"] = [(401, {}, said)]
    with pytest.raises(NotConfirmed if word == "agent_pending" else Revoked):
        poll()


def test_a_redirect_is_never_followed(door: Door, poll: Callable[[], object]) -> None:
    door.poll_answers((307, {"Location": f"{door.url}/agents/v1/token"}, b""))
    with pytest.raises(InvalidAnswer, match="redirects"):
        poll()
    assert door.paths() == ["token", "poll"]


def test_a_call_on_a_connection_that_was_cut_is_repeated_at_once_but_a_poll_is_told(door: Door, link: Link) -> None:
    cut: Answer = (200, {"Content-Length": "10", "Connection": "close"}, b"half")
    path = f"/agents/v1/requests/{ME}/outcome"
    door.answers[path] = [cut, (200, {}, b'{"result": "recorded"}')]
    assert link.report(Outcome(request_id=ME, fence=1, code=OutcomeCode.DONE)).result == "recorded"
    door.poll_answers(cut)
    with pytest.raises(Unreachable) as told:
        link.poll(uuid4(), 1, [], 0)
    assert told.value.cause is Cause.CUT


def test_a_portal_that_is_not_there_is_unreachable(door: Door, poll: Callable[[], object]) -> None:
    door.server.shutdown()
    door.server.server_close()
    with pytest.raises(Unreachable) as told:
        poll()
    assert told.value.cause is Cause.NETWORK


def test_a_connection_that_nobody_answers_is_given_up_however_long_the_answer_may_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exchange, "CALL_TIMEOUT", 0.2)
    with ExitStack() as opened:
        # With its queue full the kernel drops who else comes, without a word.
        listener = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address = listener.getsockname()
        opened.enter_context(socket.create_connection(address))
        url = f"http://127.0.0.1:{address[1]}/"
        client = opened.enter_context(http_client(None, ProxyConfig(mode="none")))
        with pytest.raises(Unreachable) as told:
            exchange.post(client, url, b"", {}, timeout=3600)
    assert told.value.cause is Cause.NETWORK


def test_what_is_no_tls_is_told_as_such(link: Link) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_say_something_else, args=(listener,), daemon=True).start()
        link._portal = f"https://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(Unreachable) as told:
            link.poll(uuid4(), 1, [], 0)
    assert told.value.cause is Cause.TLS


def test_a_proxy_that_is_not_there_is_told(door: Door, link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    link._client = http_client(None, ProxyConfig())
    with pytest.raises(Unreachable):
        link.poll(uuid4(), 1, [], 0)
    assert door.asked == []


def _say_something_else(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(1024)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
