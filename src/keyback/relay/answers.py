"""Answers: JSON in one form, never cached, each with its tracking id."""

from __future__ import annotations

import json
import logging
from uuid import uuid4

from pydantic import BaseModel
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from keyback.protocol import versions
from keyback.relay.problems import INTERNAL, METHOD_NOT_ALLOWED, NOT_FOUND, Problem, Refusal

__all__ = ["TRACKING_HEADER", "Tracking", "answer", "http_error", "refusal", "refused"]

TRACKING_HEADER = "Keyback-Tracking-Id"
_log = logging.getLogger(__name__)


def answer(message: BaseModel | None, status: int = 200, *, version: int = versions.CURRENT) -> Response:
    """The message as JSON, as this version of the protocol knows it; an empty 204 for none."""
    if message is None:
        return Response(status_code=204)
    return Response(versions.dump(message, version), status, media_type="application/json")


def refused(request: Request, problem: Problem, detail: str = "", retry_after: int | None = None) -> Response:
    """``{"error", "message", "tracking_id"}``."""
    body = {
        "error": problem.code,
        "message": detail or problem.message,
        "tracking_id": request.state.tracking_id,
    }
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    if problem.status == 401:
        headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
    return Response(json.dumps(body), problem.status, headers, media_type="application/json")


async def refusal(request: Request, error: Exception) -> Response:
    """Starlette's handler for Refusal."""
    if not isinstance(error, Refusal):
        raise error
    return refused(request, error.problem, str(error), error.retry_after)


async def http_error(request: Request, error: Exception) -> Response:
    """Starlette's handler for its own refusals: a path or a method that the door does not have."""
    if not isinstance(error, HTTPException):
        raise error
    response = refused(request, METHOD_NOT_ALLOWED if error.status_code == 405 else NOT_FOUND)
    if error.headers and "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response


class Tracking:
    """Gives each call its tracking id, and turns what nobody foresaw into a 500 that says nothing but that id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        tracking_id = str(uuid4())
        scope.setdefault("state", {})["tracking_id"] = tracking_id
        started = False

        async def send_tracked(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers[TRACKING_HEADER] = tracking_id
                headers[versions.HEADER] = str(versions.CURRENT)
                headers["Cache-Control"] = "no-store"
                headers["X-Content-Type-Options"] = "nosniff"
            await send(message)

        try:
            await self._app(scope, receive, send_tracked)
        except Exception:
            _log.exception("a call of the agents' door failed", extra={"tracking_id": tracking_id})
            if started:
                raise
            await refused(Request(scope), INTERNAL)(scope, receive, send_tracked)
