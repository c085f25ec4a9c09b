"""Bodies: bounded while they stream in, then parsed more strictly than JSON asks for."""

from __future__ import annotations

import asyncio
import json
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from starlette.types import Receive

from keyback.protocol.errors import Malformed
from keyback.protocol.limits import MAX_BODY_BYTES
from keyback.protocol.messages import Message, parse
from keyback.relay.problems import BUSY, MALFORMED, TIMED_OUT, TOO_LARGE, Refusal

__all__ = ["BODY_SECONDS", "ClientGone", "drain", "form", "message"]

BODY_SECONDS = 20
"""A body that takes longer is refused, so that slow clients hold little."""

_READ_ON = 8
"""What is too large is read and dropped up to so many times the limit: a client that is still sending when the
connection closes never gets to read why."""

MAX_HELD = 64_000_000
SMALL_BODY = 16_384
"""Unfinished bodies may hold so many bytes together; beyond, only small ones are read on. Polls are small."""

_DETAIL = 300
M = TypeVar("M", bound=Message)


class ClientGone(Exception):
    """The connection ended in the middle of the body."""


class _Reading:
    """How many bytes of unfinished bodies this process holds. Anybody may send some before proving anything."""

    def __init__(self) -> None:
        self.held = 0


_reading = _Reading()


async def drain(receive: Receive, limit: int = MAX_BODY_BYTES) -> bytes | None:
    """The whole body; None when it has more than ``limit`` bytes. Raises Refusal (408, 503) and ClientGone."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _drain(receive, limit, body)
    except TimeoutError:
        raise Refusal(TIMED_OUT) from None
    finally:
        _reading.held -= len(body)


async def _drain(receive: Receive, limit: int, body: bytearray) -> bytes | None:
    size = 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise ClientGone
        chunk = event.get("body", b"")
        size += len(chunk)
        if size <= limit:
            body += chunk
            _reading.held += len(chunk)
        if len(body) > SMALL_BODY and _reading.held > MAX_HELD:
            raise Refusal(BUSY)
        if not event.get("more_body", False) or size > _READ_ON * limit:
            return bytes(body) if size <= limit else None


def whole(body: bytes | None) -> bytes:
    if body is None:
        raise Refusal(TOO_LARGE)
    return body


def message(model: type[M], body: bytes) -> M:
    """The message in ``body``. Raises Refusal (400) that names fields, never values.

    Refused beyond what the model refuses: a key given twice (two readers could take different ones), numbers that are
    not finite, and NUL (PostgreSQL stores neither).
    """
    try:
        parsed = parse(model, body)
        if not _is_plain(parsed, body):
            json.loads(body, object_pairs_hook=_once, parse_float=_finite, parse_constant=_finite)
    except Malformed as error:
        # It may name fields that the caller made up, with anything in their names.
        detail = "".join(character if character.isprintable() else "?" for character in str(error)[:_DETAIL])
        raise Refusal(MALFORMED, detail) from None
    except (ValueError, RecursionError):
        raise Refusal(MALFORMED) from None
    return parsed


def _is_plain(parsed: Message, body: bytes) -> bool:
    """Whether it is written as this build itself would write it, which leaves no room for any of that. Our own agents
    write so, and this is a tenth of what looking at each value costs."""
    return b"\\u0000" not in body and parsed.model_dump_json().encode("utf-8", "replace") == body


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise Malformed("a key is there twice")
    for key, value in pairs:
        _storable(key)
        _storable(value)
    return content


def _storable(value: Any) -> None:
    if isinstance(value, str) and "\0" in value:
        raise Malformed("a text has a NUL in it")
    if isinstance(value, list):
        for item in value:
            _storable(item)


def _finite(text: str) -> float:
    number = float(text)
    if number - number != 0:  # infinite or not a number
        raise Malformed("a number is not finite")
    return number


def form(body: bytes) -> dict[str, str]:
    """The fields of a URL-encoded form, each at most once (RFC 6749 section 3.2). Raises Malformed."""
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=10, errors="strict")
    except ValueError:
        raise Malformed("not a form") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Malformed("a field is there twice")
    return fields
