"""Whatever comes in, the answer is a clear 4xx in one form, and nothing of it is in a log."""

import json
import select
import socket
import uuid
from contextlib import ExitStack

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyback.protocol.limits import MAX_BODY_BYTES
from keyback.relay import bodies
from tests.relay.caller import BOOT
from tests.relay.conftest import Site
from tests.relay.door import OpenDoor
from tests.support.waiting import wait_until

PATHS = ("onboard", "poll", "people", "keys", "heartbeat", f"requests/{uuid.UUID(int=1)}/writing")
POLL = {"boot_id": str(BOOT), "wait_s": 0, "capacity": 1}


def refused(response: httpx2.Response, status: int, error: str) -> None:
    assert (response.status_code, response.json()["error"]) == (status, error), response.text
    assert set(response.json()) == {"error", "message", "tracking_id"}
    assert response.headers["keyback-tracking-id"] == response.json()["tracking_id"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"5",
        b"\0",
        b"\xff\xfe{}",
        b"\xef\xbb\xbf{}",
        b"{}" * 2,
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"1" * 100_000,
        json.dumps(POLL).encode("utf-16"),
        json.dumps(POLL)[:-1].encode(),
        json.dumps(POLL | {"boot_id": None}).encode(),
        json.dumps(POLL | {"boot_id": [str(BOOT)]}).encode(),
        json.dumps(POLL | {"wait_s": "1"}).encode(),
        json.dumps(POLL | {"wait_s": 1.0}).encode(),
        json.dumps(POLL | {"wait_s": True}).encode(),
        json.dumps(POLL | {"wait_s": -1}).encode(),
        json.dumps(POLL | {"wait_s": 10**400}).encode(),
        json.dumps(POLL | {"wait_s": float("inf")}).encode(),
        json.dumps(POLL | {"capacity": {}}).encode(),
        json.dumps(POLL | {"more": 1}).encode(),
        json.dumps(POLL).replace('"wait_s": 0', '"wait_s": 0, "wait_s": 0').encode(),
        json.dumps(POLL, separators=(",", ":")).replace('"wait_s":0', '"wait_s":0,"wait_s":0').encode(),
    ],
    ids=lambda body: repr(body[:40]),
)
def test_a_body_that_is_not_the_message_is_malformed(site: Site, body: bytes) -> None:
    refused(site.caller.post("poll", body), 400, "malformed")


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800"])
def test_a_text_that_the_database_could_not_store_is_malformed(site: Site, text: str) -> None:
    beat = {
        "version": text,
        "uptime_s": 1,
        "requests_done": 2,
        "requests_refused": 0,
        "requests_unresolved": 0,
        "last_sync_people": 3,
        "last_sync_age_s": None,
        "forests_reachable": 1,
        "forests": 1,
        "paused": False,
    }
    refused(site.caller.post("heartbeat", json.dumps(beat)), 400, "malformed")
    as_agents_write = json.dumps(beat, separators=(",", ":"))
    refused(site.caller.post("heartbeat", as_agents_write), 400, "malformed")


def test_a_body_that_is_too_large_is_refused_wherever_it_goes(site: Site) -> None:
    for path in PATHS:
        refused(site.caller.post(path, b"x" * (MAX_BODY_BYTES + 1)), 413, "too_large")


def test_a_body_of_chunks_is_counted_while_it_comes(site: Site) -> None:
    chunks = (b"x" * 100_000 for _ in range(30))
    response = site.caller.http.post("/agents/v1/poll", content=chunks, headers={"content-type": "application/json"})
    refused(response, 413, "too_large")


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/x-www-form-urlencoded", "multipart/x"])
def test_a_body_of_another_type_is_refused(site: Site, content_type: str | None) -> None:
    for path in PATHS:
        refused(site.caller.post(path, b"{}", content_type=content_type), 415, "unsupported_type")


def test_a_packed_body_is_refused(site: Site) -> None:
    refused(site.caller.post("poll", b"{}", content_encoding="gzip"), 415, "unsupported_type")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "TRACE", "ODD"])
def test_another_method_is_refused(site: Site, method: str) -> None:
    for path in PATHS:
        response = site.caller.http.request(method, f"/agents/v1/{path}")
        refused(response, 405, "method_not_allowed")
        assert response.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "nothing",
        "poll/",
        "requests/1/writing",
        "requests/%00/outcome",
        "../v1/poll2",
        "%2e%2e/x",
        "requests//outcome",
    ],
)
def test_what_is_not_there_is_not_found(site: Site, path: str) -> None:
    refused(site.caller.post(path, b"{}"), 404, "not_found")


@pytest.mark.parametrize(
    "sent",
    [
        b"\0\0\0\0\r\n\r\n",
        b"POST /agents/v1/poll HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"POST /agents/v1/poll HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /agents/v1/poll HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /agents/v1/poll HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /agents/v1/poll HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /agents/v1/health HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40_000,
        b"GET /agents/v1/health HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40_000 + b"\r\n\r\n",
        b"GET /agents/v1/health HTTP/1.1\r\nX\r\n\r\n",
    ],
    ids=range(9),
)
def test_what_is_not_http_is_refused_in_the_same_form(door: OpenDoor, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", door.port), 10) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"keyback-tracking-id" in head.lower()
    assert json.loads(body)["error"] == "malformed"


def test_nothing_of_a_refused_call_is_logged(
    site: Site, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    canary = "canary-4711"
    site.caller.post("poll", json.dumps(POLL | {"boot_id": canary, canary: canary}))
    site.caller.post("poll", b"{}", authorization=f"Bearer {canary}", keyback_signature=canary)
    site.caller.http.post("/agents/v1/token", data={"client_assertion": canary, "grant_type": "client_credentials"})
    site.caller.http.post(f"/agents/v1/{canary}?{canary}={canary}")
    logged = [r for r in caplog.records if not r.name.startswith(("httpx2", "httpcore2"))]
    ours = [record for record in logged if record.name != "uvicorn.access"]
    assert not any(canary in record.getMessage() for record in ours)
    assert not [record for record in ours if record.levelname in ("ERROR", "CRITICAL")]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([str(BOOT), "self", ""]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=6),
    max_leaves=20,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(PATHS), body=st.binary(max_size=200) | anything.map(lambda v: json.dumps(v).encode()))
def test_no_bytes_bring_the_door_out_of_order(site: Site, path: str, body: bytes) -> None:
    response = site.caller.post(path, body)
    assert 400 <= response.status_code < 500, (path, body, response.text)
    assert set(response.json()) == {"error", "message", "tracking_id"}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changed=st.dictionaries(st.sampled_from(["boot_id", "capacity", "more"]), anything, min_size=1))
def test_no_value_in_a_message_brings_the_door_out_of_order(site: Site, changed: dict[str, object]) -> None:
    response = site.caller.post("poll", json.dumps(POLL | changed))
    assert response.status_code in (200, 400), response.text


def test_many_unfinished_bodies_hold_bounded_memory_and_leave_small_calls_alone(
    site: Site, door: OpenDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "MAX_HELD", 1_000_000)
    head = b"POST /agents/v1/people HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n"
    with ExitStack() as stack:
        greedy = [stack.enter_context(socket.create_connection(("127.0.0.1", door.port), 30)) for _ in range(6)]
        for connection in greedy:
            connection.sendall(head + b"x" * 400_000)
        wait_until(lambda: select.select(greedy, [], [], 0)[0], what="a refusal")
        (refusal, *_), _, _ = select.select(greedy, [], [], 0)
        assert refusal.recv(100).startswith(b"HTTP/1.1 503 ")
        assert site.caller.poll().status_code == 200
    wait_until(lambda: bodies._reading.held == 0, what="the end of the bodies")
