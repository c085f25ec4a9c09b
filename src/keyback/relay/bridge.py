"""Django under Starlette: a WSGI application as an ASGI one.

A request reaches a thread only when all of it is here, and the thread is free again before the answer is sent, so that
slow or vanishing clients hold no thread and a form cut short is never taken for a whole one. docs/measurements.md has
the figures against a2wsgi, which hands every piece over between thread and loop.
"""

from __future__ import annotations

import asyncio
import io
import logging
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes
from uuid import uuid4

from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from keyback.relay import bodies
from keyback.relay.answers import TRACKING_HEADER
from keyback.relay.problems import BUSY, INTERNAL, Problem, Refusal

__all__ = ["WsgiBridge"]

_log = logging.getLogger(__name__)

_Answer = tuple[int, list[tuple[bytes, bytes]], bytes]


class WsgiApplication(Protocol):
    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]: ...


class WsgiBridge:
    """``max_body``: bytes. A larger body is not handed over, only its length, by which Django refuses it in its own
    words. ``queue``: how many requests may wait for a thread before the next is told 503.

    Four threads: more of them mostly wait for each other's interpreter lock, and with eight the same page cost a third
    more (docs/measurements.md, "The first page")."""

    def __init__(self, application: WsgiApplication, *, max_body: int, threads: int = 4, queue: int = 200) -> None:
        self._application = application
        self._max_body = max_body
        self._limit = threads + queue
        self._jobs = 0
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="people")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for stage in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{stage}.complete"})
            return
        try:
            body = await bodies.drain(receive, self._max_body)
            if self._jobs >= self._limit:
                raise Refusal(BUSY)
        except bodies.ClientGone:
            return
        except Refusal as refusal:
            await _plain(refusal.problem)(scope, receive, send)
            return
        self._jobs += 1
        try:
            environ = _environ(scope, body, self._max_body)
            loop = asyncio.get_running_loop()
            status, headers, content = await loop.run_in_executor(self._executor, self._call, environ)
        except Exception:
            _log.exception("the people's door failed outside Django")
            await _plain(INTERNAL)(scope, receive, send)
            return
        finally:
            self._jobs -= 1
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    def _call(self, environ: dict[str, Any]) -> _Answer:
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            started.append((status, headers))

        chunks = self._application(environ, start_response)
        try:
            content = b"".join(chunks)
        finally:
            # Django ends the request here: signals, connections.
            if close := getattr(chunks, "close", None):
                close()
        status, headers = started[-1]
        raw = [(name.strip().lower().encode("latin-1"), value.strip().encode("latin-1")) for name, value in headers]
        return int(status[:3]), raw, content


def _environ(scope: Scope, body: bytes | None, max_body: int) -> dict[str, Any]:
    """PEP 3333. Header names with an underscore are dropped: as a WSGI name X_Forwarded_For could not be told from what
    a trusted proxy wrote."""
    host, port = scope.get("server") or ("localhost", 0)
    client, _ = scope.get("client") or ("", 0)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        # From the raw path: the decoded one has lost what was not UTF-8.
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": host,
        "SERVER_PORT": str(port or 0),
        "REMOTE_ADDR": client,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": io.BytesIO(body or b""),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for raw_name, raw_value in scope["headers"]:
        if b"_" in raw_name:
            continue
        name = raw_name.decode("latin-1").upper().replace("-", "_")
        name = name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"
        value = raw_value.decode("latin-1")
        separator = "; " if name == "HTTP_COOKIE" else ","
        environ[name] = f"{environ[name]}{separator}{value}" if name in environ else value
    # Counted, not claimed: a chunked body claims nothing.
    environ["CONTENT_LENGTH"] = str(max_body + 1 if body is None else len(body))
    return environ


def _plain(problem: Problem) -> PlainTextResponse:
    headers = {TRACKING_HEADER: str(uuid4()), "Cache-Control": "no-store"}
    if problem.retry_after is not None:
        headers["Retry-After"] = str(problem.retry_after)
    return PlainTextResponse(problem.message, problem.status, headers)
