"""What the endpoints of one door share."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from django.utils import timezone
from starlette.requests import Request

from keyback.portal.agents.models import Agent
from keyback.relay.admission import as_refusals
from keyback.relay.database import Database
from keyback.relay.failures import Failures, audit_refusal, client_block
from keyback.relay.problems import CODE_REFUSED, TOKEN_REFUSED, Refusal
from keyback.relay.room import Room

__all__ = ["Door", "door_of"]

T = TypeVar("T")
_log = logging.getLogger(__name__)
# Everyday life, and what onboarding writes itself.
_NOT_AUDITED = frozenset({TOKEN_REFUSED.code, CODE_REFUSED.code})


@dataclass(frozen=True, slots=True)
class Door:
    """``boots``: each agent's boot id when it polled last. A new one makes the portal take back what the old held."""

    database: Database
    room: Room
    failures: Failures
    boots: dict[UUID, UUID]

    async def run(self, request: Request, job: Callable[[datetime], T]) -> T:
        """One job in a database thread, with the time at which it begins. The portal's refusals become Refusal; each
        that says "not admitted" is counted for the client's address, and told while its budget is open."""
        return await self.database.run(self._run, request, job)

    def _run(self, request: Request, job: Callable[[datetime], T]) -> T:
        now = timezone.now()
        try:
            with as_refusals(now):
                return job(now)
        except Refusal as refusal:
            if refusal.problem.status in (401, 403):
                self.count_refusal(request, refusal.code, now, refusal.agent)
            raise

    def count_refusal(self, request: Request, code: str, now: datetime, agent: Agent | None = None) -> datetime | None:
        """Until when the budget of the client's address is closed, or None. In a database thread."""
        client = client_block(request)
        closed_until = self.failures.count(client, now)
        if closed_until is None:
            # A token that is over is everyday life; anything else is worth a look.
            level = logging.INFO if code == TOKEN_REFUSED.code else logging.WARNING
            tracking_id = request.state.tracking_id
            _log.log(level, "refused to %s: %s", client, code, extra={"tracking_id": tracking_id})
            if code not in _NOT_AUDITED:
                audit_refusal(client, code, agent, UUID(tracking_id), now)
        return closed_until


def door_of(request: Request) -> Door:
    door: Door = request.app.state.door
    return door
