"""Time-based codes (RFC 6238): which time step a typed code is for. Pure but for pyotp."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyotp

__all__ = ["MOST_DRIFT", "App", "Match", "base32", "match"]

MOST_DRIFT = 40
"""Steps. A clock that is off by more is a broken clock."""
_AROUND = 1
_AROUND_AT_FIRST = 4  # a token lay in a drawer for a year before somebody used it
_BASE32 = re.compile(r"[A-Z2-7]+")


@dataclass(frozen=True, slots=True)
class App:
    """``counter``: the last step whose code was taken, 0 before the first. ``drift``: how many steps its clock was
    ahead then."""

    secret: str
    period: int
    counter: int
    drift: int
    digits: int = 6

    @classmethod
    def of(cls, secret: Mapping[str, Any], counter: int, drift: int) -> App:
        return cls(secret["secret"], secret["period"], counter, drift)

    def code(self, step: int) -> str:
        """The code of one step: its secret is SHA-1's, which every app and token can do."""
        return pyotp.TOTP(self.secret, digits=self.digits, interval=self.period).generate_otp(step)


@dataclass(frozen=True, slots=True)
class Match:
    """A right code: the step that it is for, and how many steps the clock is ahead."""

    step: int
    drift: int


def match(app: App, typed: str, now: datetime) -> Match | None:
    """None for a wrong code, and for one of a step that is not later than the last that was taken.

    Every step is compared, whatever the others gave, so that the time tells nothing.
    """
    around = _AROUND if app.counter else _AROUND_AT_FIRST
    middle = int(now.timestamp()) // app.period
    found = None
    for step in range(middle + app.drift - around, middle + app.drift + around + 1):
        right = hmac.compare_digest(app.code(max(step, 0)), typed)
        if right and step > app.counter and abs(step - middle) <= MOST_DRIFT and found is None:
            found = Match(step, step - middle)
    return found


def base32(text: str) -> str | None:
    """A secret as typed or listed, without gaps and padding; None for what is none (RFC 4226 asks for 128 bits; tokens
    with 80 are sold)."""
    secret = re.sub(r"[\s=-]", "", text).upper()
    return secret if 16 <= len(secret) <= 128 and _BASE32.fullmatch(secret) else None
