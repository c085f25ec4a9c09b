"""Tries to sign in: ten, then a wait of 60 seconds that grows with every further one.

Counted for the text as typed, which everybody is told of; and for the person, so that another spelling gives no more
tries, which acts silently, like a wrong password. Each for one client: a stranger locks out strangers, and not the
person at a browser where they signed in before.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from keyback.portal.limits.budgets import Blocked, Budget, clear_all, count_of, spend, spend_all
from keyback.portal.limits.clients import Client, counting
from keyback.portal.organizations.models import Organization

__all__ = ["forgive", "take", "unlock"]

TRIES = 10
FIRST_WAIT = timedelta(seconds=60)
LONGEST_WAIT = timedelta(hours=1)
_DAY = timedelta(hours=24)
BY_ONE_CLIENT = Budget("sign_ins_by_one_client", 200, timedelta(hours=1))
POOL = Budget("sign_in_pool", 50, _DAY, _DAY)
LOCKOUTS = Budget("sign_in_lockouts", 1_000_000, _DAY)
"""How often the same key was locked out within a day; it closes nothing itself."""


def take(organization: Organization, typed: str, subject: str, client: Client, now: datetime) -> bool:
    """Takes one try. Raises Blocked for what was typed; False when the person's own count is closed."""
    if client.kind != "office":  # hundreds of people share its address
        spend(organization.id, BY_ONE_CLIENT, client.key, now=now)
    counted = counting(client, organization.limit_profile)
    _take(organization.id, typed, counted, now)
    try:
        _take(organization.id, subject, counted, now)
    except Blocked:
        return False
    return True


def _take(organization_id: UUID, key: str, client: Client, now: datetime) -> None:
    lockouts = count_of(organization_id, LOCKOUTS, key, client.key, now=now)
    wait = min(FIRST_WAIT * 2 ** min(lockouts, 16), LONGEST_WAIT)
    budget = Budget(_NAME, TRIES if lockouts == 0 else 1, _DAY, wait)
    tries: list[tuple[Budget, tuple[str, ...]]] = [(budget, (key, client.key))]
    if client.kind == "block":
        tries.append((POOL, (key,)))
    if _NAME in spend_all(organization_id, *tries, now=now):
        spend(organization_id, LOCKOUTS, key, client.key, now=now)


_NAME = "sign_in"


def unlock(organization: Organization, typed: str, subject: str, client: Client) -> None:
    """Whoever proved who they are opens what others closed, too."""
    forgive(organization, typed, subject, client)
    clear_all(organization.id, *((POOL, (key,)) for key in (typed, subject)))


def forgive(organization: Organization, typed: str, subject: str, client: Client) -> None:
    """It was who they said they were, here: their own tries are forgotten, the strangers' pool is not."""
    counted = (Budget(_NAME, TRIES, _DAY), LOCKOUTS)
    who = counting(client, organization.limit_profile).key
    keys = [(budget, (key, who)) for budget in counted for key in (typed, subject)]
    clear_all(organization.id, *keys)
