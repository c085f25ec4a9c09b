"""When a forest is swept: by what it costs the directory, and not by what else took time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

from keyback.agent.journal import SyncRun
from keyback.agent.rhythm import SHARE, Rhythm

EPOCH = datetime(2026, 11, 22, tzinfo=UTC)


class Passing:
    """A clock, and a synchronisation whose sweeps take ``reading`` seconds of the directory and ``sending`` of the
    portal."""

    def __init__(self, reading: float, sending: float) -> None:
        self.reading, self.sending = reading, sending
        self.at = 0.0
        self.swept: list[float] = []

    def elapsed(self) -> float:
        return self.at

    def now(self) -> datetime:
        return EPOCH

    def catch_up(self, *_: object) -> None:
        return None

    def sweep(self, *_: object, tell_all: bool) -> SyncRun:
        self.swept.append(self.at)
        self.at += self.reading + self.sending
        return SyncRun(uuid4(), "corp", EPOCH, None, kind="sweep")

    def reading_took_s(self, *_: object) -> float:
        return self.reading

    def runs(self, *_: object, **__: object) -> list[SyncRun]:
        return [replace(SyncRun(uuid4(), "corp", EPOCH, None, kind="whole"), finished_at=EPOCH)]

    def turns(self, seconds: float) -> list[float]:
        config = SimpleNamespace(changes_interval_s=3, sweep_interval_s=1800, sync_interval_s=86400)
        forest = SimpleNamespace(name="corp", config=config)
        here = cast(Any, self)
        rhythm = Rhythm(here, cast(Any, forest), uuid4(), journal=here, clock=here)
        while self.at < seconds:
            self.at += rhythm.turn()
        return self.swept


def test_a_slow_portal_puts_off_no_sweep_of_a_small_directory() -> None:
    swept = Passing(reading=0.05, sending=1.5).turns(30)
    assert all(later - earlier < 10 for earlier, later in pairwise(swept))
    assert len(swept) > 4


def test_a_large_directory_is_not_asked_again_before_twenty_times_as_long() -> None:
    swept = Passing(reading=2.0, sending=0.0).turns(200)
    assert all(later - earlier >= SHARE * 2.0 for earlier, later in pairwise(swept))
    assert len(swept) >= 4
