"""When a forest is read whole, swept, or asked for changes."""

from __future__ import annotations

from uuid import UUID

from keyback.agent.clock import Clock
from keyback.agent.forests import Forest
from keyback.agent.journal import Journal, SyncRun
from keyback.agent.sync import Synchronisation

__all__ = ["Rhythm"]

LONGEST_PAUSE = 30.0
SHARE = 20
"""When the directory took a second to name everybody, it is not asked that again for so many: a sweep costs it a
twentieth of its time at most. In a small directory it follows the changes at once, and finds deletions that those do
not show; a slow portal or a busy machine of the agent's own must not put that off."""


class Rhythm:
    """One forest's; `turn` does what is due."""

    def __init__(
        self, synchronisation: Synchronisation, forest: Forest, forest_id: UUID, *, journal: Journal, clock: Clock
    ) -> None:
        self._synchronisation = synchronisation
        self._forest = forest
        self._forest_id = forest_id
        self._journal = journal
        self._clock = clock
        self._told_at: float | None = None
        self._sweep_at = 0.0
        self._failures = 0

    def turn(self) -> float:
        """Seconds until the next turn."""
        config = self._forest.config
        run: SyncRun | None
        if self._whole_is_due():
            run = self._synchronisation.run(self._forest, self._forest_id)
            self._told_at = self._clock.elapsed()
        elif self._told_at is None or self._clock.elapsed() - self._told_at > config.sweep_interval_s:
            run = self._sweep(tell_all=True)
        else:
            run = self._synchronisation.catch_up(self._forest, self._forest_id)
            if not (run and run.problem) and self._clock.elapsed() >= self._sweep_at:
                run = self._sweep(tell_all=False)
        if run is None or not run.problem:
            self._failures = 0
            return float(config.changes_interval_s)
        # What failed is tried again soon: at the start the portal has often not confirmed the agent yet.
        self._failures += 1
        return min(LONGEST_PAUSE, config.changes_interval_s * 2.0**self._failures)

    def _whole_is_due(self) -> bool:
        runs = self._journal.runs(5, forest=self._forest.name, kind="whole")
        ended = [run for run in runs if run.finished_at and not run.problem]
        age = (self._clock.now() - ended[0].started_at).total_seconds() if ended else None
        return age is None or not 0 <= age <= self._forest.config.sync_interval_s

    def _sweep(self, *, tell_all: bool) -> SyncRun | None:
        run = self._synchronisation.sweep(self._forest, self._forest_id, tell_all=tell_all)
        ended = self._clock.elapsed()
        self._sweep_at = ended + SHARE * self._synchronisation.reading_took_s(self._forest)
        if tell_all and run and not run.problem:
            self._told_at = ended
        return run
