"""Bytes that are signed or bound have exactly one spelling: canonical JSON, and base64url without padding."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from keyback.protocol.errors import Malformed

__all__ = ["b64decode", "b64encode", "canonical_json"]

_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def b64encode(data: bytes) -> str:
    """base64url without padding (RFC 4648 section 5, RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def b64decode(text: str) -> bytes:
    """The bytes of :func:`b64encode`. Raises Malformed for anything else, padding and other spellings included."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed("not base64url") from error
    if b64encode(data) != text:
        raise Malformed("not canonical base64url")
    return data


def canonical_json(value: Any) -> bytes:
    """ASCII JSON, keys sorted, no white space. Only strings, integers, booleans, null, lists and objects."""
    return _canonical.encode(value).encode("ascii")
