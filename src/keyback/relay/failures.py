"""A budget for refused calls, for each client address. Calls in order are never counted and never stopped by it, so
that strangers behind the same address cannot lock an agent out."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from starlette.requests import Request

from keyback.portal.agents.models import Agent
from keyback.portal.audit.words import Activity, Result
from keyback.portal.audit.writer import write
from keyback.portal.limits.budgets import Blocked, Budget, spend, spend_all
from keyback.portal.limits.clients import address_block, address_of
from keyback.portal.organizations.lookup import NoOrganization, default_organization

__all__ = ["REFUSED_CALLS", "Failures", "audit_refusal", "client_block"]

REFUSED_CALLS = Budget("agent_calls_refused", 60, timedelta(minutes=1))

# An entry of the audit is for good, so that a flood must not make many: a few for one address and reason, and so many a
# day whoever calls. The log goes on within the budget above.
AUDITED_ONE_KIND = Budget("agent_refusals_audited", 3, timedelta(hours=1))
AUDITED_A_DAY = Budget("agent_refusals_audited_a_day", 200, timedelta(days=1))

_REMEMBER = 10_000


def client_block(request: Request) -> str:
    """The address block that the call came from, behind the configured number of proxies."""
    remote = request.client.host if request.client else ""
    forwarded = ",".join(request.headers.getlist("x-forwarded-for"))
    return address_block(address_of(remote, forwarded, settings.CONFIG.trusted_proxies))


class Failures:
    """Remembers what is closed, so that a flood costs no writes to the database."""

    def __init__(self) -> None:
        self._closed_until: dict[str, datetime] = {}

    def count(self, block: str, now: datetime) -> datetime | None:
        """One more refused call from this address. Until when the budget is closed, or None while it is open."""
        until = self._closed_until.get(block)
        if until is not None and until > now:
            return until
        try:
            # An address belongs to no organization before its agent has proved who it is.
            spend(default_organization().id, REFUSED_CALLS, block, now=now)
        except NoOrganization:
            return None
        except Blocked as blocked:
            if len(self._closed_until) >= _REMEMBER:
                self._closed_until.clear()
            self._closed_until[block] = blocked.until
            return blocked.until
        return None


def audit_refusal(client: str, code: str, agent: Agent | None, tracking_id: UUID, now: datetime) -> None:
    """For the organization of the agent whose token or assertion it was; else for the instance's own."""
    try:
        organization_id = default_organization().id if agent is None else agent.organization_id
        day = (AUDITED_A_DAY, (str(organization_id),))
        spend_all(organization_id, (AUDITED_ONE_KIND, (client, code)), day, now=now)
    except (NoOrganization, Blocked):
        return
    write(
        organization_id,
        Activity.AGENT_CALL_REFUSED,
        result=Result.REFUSED,
        actor="system",
        now=now,
        tracking_id=tracking_id,
        details={"code": code, "client": client, "agent": str(agent.id) if agent else None},
    )
