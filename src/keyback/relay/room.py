"""The waiting room: polls without work wait here, at the cost of one event each.

A poll is woken by a wake-up for its organization, by the look that the room takes every two seconds for everybody at
once (two queries, however many wait), when its agent is no longer confirmed, or when the door closes.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from keyback.portal import wake
from keyback.portal.agents.models import Agent
from keyback.portal.writeback.models import WritebackRequest
from keyback.relay.database import Database
from keyback.relay.problems import TOO_MANY_POLLS, Refusal

__all__ = ["Room", "Seat"]

LOOK_EVERY = 2.0
MAX_SEATS = 8
"""Polls that one agent may have open in one process."""

_log = logging.getLogger(__name__)
_Waiting = tuple[UUID, UUID, int, str, datetime | None]


@dataclass(eq=False, slots=True)
class Seat:
    """One waiting poll. ``over``: it shall end now, with or without work."""

    agent_id: UUID
    over: bool = False
    _rung: asyncio.Event = field(default_factory=asyncio.Event)

    def ring(self) -> None:
        self._rung.set()

    def dismiss(self) -> None:
        self.over = True
        self._rung.set()

    async def wait(self, until: float) -> bool:
        """Until it rings (True), or the event loop's clock shows ``until`` (False); then it is over."""
        try:
            async with asyncio.timeout_at(until):
                await self._rung.wait()
        except TimeoutError:
            self.over = True
            return False
        self._rung.clear()
        return True


class Room:
    """Belongs to one event loop; made before it runs, opened within it. ``rings`` counts the wake-ups so far: whoever
    looked for work and then takes a seat has missed none if it is still the same."""

    def __init__(self, database: Database) -> None:
        self.rings = 0
        self._database = database
        self._seats: dict[UUID, set[Seat]] = defaultdict(set)
        self._watched: dict[UUID, Callable[[], None]] = {}
        self._rung_for: set[_Waiting] = set()
        self._looker: asyncio.Task[None] | None = None
        self._closing = False

    def open(self) -> None:
        self._looker = asyncio.create_task(self._look_forever())

    def dismiss_all(self) -> None:
        """Ends every poll, with an empty answer, and those that come from now on: the door is closing."""
        self._closing = True
        for seats in self._seats.values():
            for seat in seats:
                seat.dismiss()

    async def close(self) -> None:
        self.dismiss_all()
        if self._looker is not None:
            self._looker.cancel()
            await asyncio.gather(self._looker, return_exceptions=True)
        for stop in self._watched.values():
            await asyncio.to_thread(stop)

    @contextmanager
    def seat(self, agent: Agent, rings: int) -> Iterator[Seat]:
        """A seat for one poll that looked for work when ``rings`` was the count. Whatever was queued since then has
        rung, or rings, it. Raises Refusal (429)."""
        organization_id = agent.organization_id
        seats = self._seats[organization_id]
        if sum(seat.agent_id == agent.id for seat in seats) >= MAX_SEATS:
            raise Refusal(TOO_MANY_POLLS)
        seat = Seat(agent.id, over=self._closing)
        if organization_id not in self._watched:
            self._watch(organization_id)
            seat.ring()
        if self._closing or self.rings != rings:
            seat.ring()
        seats.add(seat)
        try:
            yield seat
        finally:
            seats.discard(seat)

    def _watch(self, organization_id: UUID) -> None:
        # Kept for the life of the door: an agent polls again as soon as a poll ends.
        loop = asyncio.get_running_loop()

        def ring() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._ring, organization_id)

        self._watched[organization_id] = wake.watch(wake.work_of(organization_id), ring)

    def _ring(self, organization_id: UUID) -> None:
        self.rings += 1
        for seat in self._seats[organization_id]:
            seat.ring()

    async def _look_forever(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            organizations = [organization for organization, seats in self._seats.items() if seats]
            if not organizations:
                continue
            try:
                waiting, confirmed = await self._database.run(_look, organizations, timezone.now())
            except Refusal:
                continue  # the database is busy: the next look comes soon
            except Exception:
                _log.exception("the waiting room could not look for work")
                continue
            # Each row rings once for each state it is in: what nobody here can claim must not wake everybody again.
            for organization_id in {row[0] for row in waiting - self._rung_for}:
                self._ring(organization_id)
            self._rung_for = waiting
            for organization_id in organizations:
                for seat in self._seats[organization_id]:
                    if seat.agent_id not in confirmed:
                        seat.dismiss()


def _look(organizations: Collection[UUID], now: datetime) -> tuple[set[_Waiting], set[UUID]]:
    """What waits to be claimed in these organizations, and their confirmed agents."""
    states = WritebackRequest.State
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=now)
    waiting = WritebackRequest.objects.filter(
        Q(state=states.QUEUED, expires_at__gt=now) | Q(state=states.UNRESOLVED) & free,
        organization_id__in=organizations,
    ).values_list("organization_id", "id", "fence", "state", "lease_until")
    confirmed = Agent.objects.filter(organization_id__in=organizations, state=Agent.State.CONFIRMED).values_list(
        "id", flat=True
    )
    return set(waiting), set(confirmed)
