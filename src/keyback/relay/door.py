"""What the endpoints of one door share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from django.utils import timezone
from starlette.requests import Request

from keyback.relay.admission import as_refusals
from keyback.relay.database import Database
from keyback.relay.failures import Failures
from keyback.relay.problems import Refusal
from keyback.relay.room import Room

__all__ = ["Door", "door_of"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Door:
    """``boots``: each agent's boot id when it polled last. A new one makes the portal take back what the old held."""

    database: Database
    room: Room
    failures: Failures
    boots: dict[UUID, UUID]

    async def run(self, client: str, job: Callable[[datetime], T]) -> T:
        """One job in a database thread, with the time at which it begins. The portal's refusals become Refusal; each
        that says "not admitted" is counted for ``client``."""
        return await self.database.run(self._run, client, job)

    def _run(self, client: str, job: Callable[[datetime], T]) -> T:
        now = timezone.now()
        try:
            with as_refusals(now):
                return job(now)
        except Refusal as refusal:
            if refusal.problem.status in (401, 403):
                self.failures.count(client, now)
            raise


def door_of(request: Request) -> Door:
    door: Door = request.app.state.door
    return door
