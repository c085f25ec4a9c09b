"""uvicorn, with bounds on what a client may make it wait for, and a stop that does not wait for open polls."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from keyback.relay.answers import TRACKING_HEADER
from keyback.relay.problems import MALFORMED

__all__ = ["Server", "listening_socket", "make_server"]

HEAD_SECONDS = 10
"""From connecting, or from the first byte after an answer, until a request's head is complete."""

HEAD_BYTES = 32_768
IDLE_SECONDS = 60
STOP_SECONDS = 10


class _Connection(h11.Connection):
    """h11's own, but for two things that it lets pass. A length beside chunks: a proxy that goes by the length takes
    part of the body for another request, which may get somebody else's answer (RFC 9112, section 6.3). And a head that
    comes in one piece, however long."""

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        event = super().next_event()
        if isinstance(event, h11.Request):
            names = {name for name, _ in event.headers}
            if b"transfer-encoding" in names and (b"content-length" in names or event.http_version < b"1.1"):
                raise h11.RemoteProtocolError("chunks and a length, or chunks before HTTP/1.1")
            if len(event.target) + sum(len(name) + len(value) for name, value in event.headers) > HEAD_BYTES:
                raise h11.RemoteProtocolError("the head is too long")
        return event


class _Protocol(H11Protocol):
    """uvicorn's own, which by itself lets a client take for ever over the head of a request."""

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.conn = _Connection(h11.SERVER, HEAD_BYTES)
        super().connection_made(transport)
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_head()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """What is not HTTP is refused in the door's own form."""
        tracking_id = str(uuid4())
        body = json.dumps({"error": MALFORMED.code, "message": msg, "tracking_id": tracking_id}).encode()
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            (TRACKING_HEADER, tracking_id),
            ("Connection", "close"),
        ]
        try:
            for event in (h11.Response(status_code=400, headers=headers), h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        except h11.LocalProtocolError:
            pass  # it came while an answer was under way
        self.transport.close()

    def _watch_head(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._forget_head()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _forget_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class Server(uvicorn.Server):
    """``before_stop`` runs once no new connections are taken, before the open ones are waited for."""

    def __init__(self, config: uvicorn.Config, before_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._before_stop = before_stop

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._before_stop()
        await super().shutdown(sockets)


def make_server(
    app: ASGIApp,
    *,
    before_stop: Callable[[], None],
    certificate: Path | None = None,
    key: Path | None = None,
) -> Server:
    """A server for sockets of the caller's (``serve(sockets=[…])``). Logs go to the process's own handlers; no access
    log, since a URL may name a recovery."""
    options: dict[str, Any] = {}
    if certificate is not None:
        options = {"ssl_certfile": certificate, "ssl_keyfile": key}
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        log_config=None,
        access_log=False,
        # Client addresses come from the configured number of proxies, never from whoever sends the header.
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
        h11_max_incomplete_event_size=HEAD_BYTES,
        lifespan="on",
        **options,
    )
    return Server(config, before_stop)


def listening_socket(host: str, port: int) -> socket.socket:
    """Bound, so that a port that is taken is known before anything else starts. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named since asyncio switches Nagle's algorithm off only then: with it on, the body of an answer
    # waits for the client's delayed acknowledgement of the head, 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener
