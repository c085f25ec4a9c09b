"""The two clocks of an agent: one that tells the date, one for how long something took."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    def now(self) -> datetime:
        """The date (UTC, aware), for logs and for counting caps an hour and a day."""
        ...

    def elapsed(self) -> float:
        """Seconds since some moment, going on while the machine is suspended."""
        ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def elapsed(self) -> float:
        # CLOCK_MONOTONIC stands still in suspension: a deadline would then seem to be ahead when it is long past.
        return time.clock_gettime(time.CLOCK_BOOTTIME)
