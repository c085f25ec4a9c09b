"""How often something may be tried, exact under parallel load, and never turned against the victim.

A budget counts tries of one key within a window that starts with the first try. The last allowed try closes
the budget: for ``block`` from that moment, or, where there is none, until the window ends. Tries while it is
closed count nothing and do not extend it. What is counted is written only as a keyed hash.

Counting for a person always names a client too (``clients.client_of``), so that a stranger closes a method
for themselves or for the strangers' pool, and not for the person at their own desk (an organization may choose
otherwise: ``clients.counting``). The numbers here are where an organization begins: ``limits.settings`` changes them.

The first part of a key is whom or what it is about, and is kept as a keyed hash of its own: what is counted about one
person can be found and released.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from keyback.errors import KeybackError
from keyback.portal import sql
from keyback.portal.limits.models import Counter
from keyback.portal.organizations.models import Organization

__all__ = [
    "CODES_SENT",
    "CODES_SENT_POOL",
    "IDENTIFIED",
    "ONBOARDING",
    "PHONE_VALIDATIONS",
    "PHONE_VALIDATIONS_POOL",
    "PROOF_FAILED",
    "PROOF_FAILED_POOL",
    "QUESTION_GATES",
    "RECOVERIES_STARTED",
    "RESETS",
    "Blocked",
    "Budget",
    "about_hmac",
    "check",
    "clear",
    "clear_all",
    "count_of",
    "purge",
    "spend",
    "spend_all",
]

_HOUR = timedelta(hours=1)
_DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Budget:
    """``limit`` tries within ``window``; then closed for ``block`` (None: until the window ends)."""

    known: ClassVar[dict[str, Budget]] = {}

    name: str
    limit: int
    window: timedelta
    block: timedelta | None = None

    def __post_init__(self) -> None:
        # By name, so that an organization can have other numbers for it; the first is the one in the code.
        self.known.setdefault(self.name, self)

    def changed(self, numbers: Mapping[str, int | None]) -> Budget:
        """With an organization's own numbers (see ``limits.settings``)."""
        block = numbers["block"]
        return Budget(
            self.name,
            int(numbers["limit"] or 1),
            timedelta(seconds=int(numbers["window"] or 1)),
            None if block is None else timedelta(seconds=block),
        )


# The numbers that Microsoft publishes, each for one client.
RECOVERIES_STARTED = Budget("recoveries_started", 30, _HOUR)
IDENTIFIED = Budget("identified", 20, _HOUR)
CODES_SENT = Budget("codes_sent", 5, _HOUR, _DAY)
CODES_SENT_POOL = Budget("codes_sent_pool", 50, _DAY, _DAY)
PROOF_FAILED = Budget("proof_failed", 5, _DAY, _DAY)
PROOF_FAILED_POOL = Budget("proof_failed_pool", 50, _DAY, _DAY)
PHONE_VALIDATIONS = Budget("phone_validations", 5, _HOUR, _DAY)
PHONE_VALIDATIONS_POOL = Budget("phone_validations_pool", 50, _DAY, _DAY)
QUESTION_GATES = Budget("question_gates", 5, _HOUR, _DAY)
RESETS = Budget("resets", 5, _HOUR, _DAY)
ONBOARDING = Budget("onboarding", 20, _HOUR)


class Blocked(KeybackError):
    """The budget is closed until ``until``."""

    code = "blocked"

    def __init__(self, budget: Budget, until: datetime) -> None:
        super().__init__(f"{budget.name} is closed until {until.isoformat(timespec='seconds')}")
        self.budget = budget.name
        self.until = until


# One statement, so that no two tries can both read "four so far". ``closed`` and ``fresh`` below are the only
# two cases in which the count does not simply rise; a count of limit + 1 says "this try was refused" and
# never rises further.
_SPEND = """
INSERT INTO {table} AS c (organization_id, budget, key_hmac, about_hmac, window_ends_at, count, blocked_until)
VALUES (%(organization)s, %(budget)s, %(key)s, %(about)s, %(window_end)s, 1, {first_block})
ON CONFLICT (organization_id, budget, key_hmac) DO UPDATE SET
    count = CASE WHEN {closed} THEN %(limit)s + 1 WHEN {fresh} THEN 1 ELSE c.count + 1 END,
    window_ends_at = CASE WHEN {closed} THEN c.window_ends_at
                          WHEN {fresh} THEN excluded.window_ends_at ELSE c.window_ends_at END,
    blocked_until = CASE WHEN {closed} THEN c.blocked_until
                         WHEN {fresh} THEN excluded.blocked_until
                         WHEN c.count + 1 >= %(limit)s THEN {block}
                         ELSE NULL END
RETURNING count, blocked_until
"""
_CLOSED = "(c.blocked_until IS NOT NULL AND c.blocked_until > %(now)s)"
_FRESH = "(c.blocked_until IS NOT NULL OR c.window_ends_at <= %(now)s)"


_NUMBERS = f"SELECT limits FROM {Organization._meta.db_table} WHERE id = %(organization)s"  # noqa: S608 — a table's name


def spend(organization_id: UUID, budget: Budget, *key_parts: str, now: datetime) -> int:
    """Takes one try and returns how many are left. Raises Blocked when there was none.

    Spend before comparing a secret and :func:`clear` when it was right: counting afterwards would let
    parallel tries pass. Not inside a transaction that may be rolled back: that would give the try back.
    """
    return _spend(organization_id, _own(organization_id, budget)[0], key_parts, now)


def _own(organization_id: UUID, *budgets: Budget) -> list[Budget]:
    """The same budgets with the organization's numbers."""
    with connection.cursor() as cursor:
        cursor.execute(_NUMBERS, sql.values(organization=organization_id))
        found = cursor.fetchone()
    numbers = json.loads(found[0]) if found else {}
    return [budget.changed(numbers[budget.name]) if budget.name in numbers else budget for budget in budgets]


def _spend(organization_id: UUID, budget: Budget, key_parts: tuple[str, ...], now: datetime) -> int:
    params = sql.values(
        organization=organization_id,
        budget=budget.name,
        key=_key(budget, key_parts),
        about=about_hmac(key_parts[0]),
        now=now,
        window_end=now + budget.window,
        limit=budget.limit,
        block_end=now + budget.block if budget.block else None,
    )
    block = "%(block_end)s" if budget.block else "c.window_ends_at"
    first_block = "NULL"
    if budget.limit == 1:
        first_block = "%(block_end)s" if budget.block else "%(window_end)s"
    statement = _SPEND.format(
        table=connection.ops.quote_name(Counter._meta.db_table),
        closed=_CLOSED,
        fresh=_FRESH,
        block=block,
        first_block=first_block,
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        count, until = cursor.fetchone()
    if count > budget.limit:
        raise Blocked(budget, sql.aware(until))
    return budget.limit - int(count)


def spend_all(organization_id: UUID, *tries: tuple[Budget, tuple[str, ...]], now: datetime) -> list[str]:
    """Takes one try of each budget, in this order, in one transaction of its own: on SQLite every commit waits for
    the disk. The names of those that this try closed for longer than their window, for the audit.

    Raises Blocked for the first that is closed, after committing those before it, so that nothing is given back.
    Callers keep one order of budgets everywhere, so that no two of them wait for each other's rows.
    """
    blocked, closed = None, []
    with transaction.atomic():
        budgets = _own(organization_id, *(budget for budget, _ in tries))
        for budget, (_, key_parts) in zip(budgets, tries, strict=True):
            try:
                if _spend(organization_id, budget, key_parts, now) == 0 and budget.block:
                    closed.append(budget.name)
            except Blocked as reached:
                blocked = reached
                break
    if blocked is not None:
        raise blocked
    return closed


def check(organization_id: UUID, budget: Budget, *key_parts: str, now: datetime) -> None:
    """Raises Blocked while the budget is closed. Counts nothing."""
    until = (
        Counter.objects.filter(
            organization_id=organization_id, budget=budget.name, key_hmac=_key(budget, key_parts), blocked_until__gt=now
        )
        .values_list("blocked_until", flat=True)
        .first()
    )
    if until is not None:
        raise Blocked(budget, until)


def count_of(organization_id: UUID, budget: Budget, *key_parts: str, now: datetime) -> int:
    """How many tries of this key were taken within its window. Counts nothing."""
    rows = Counter.objects.filter(
        organization_id=organization_id, budget=budget.name, key_hmac=_key(budget, key_parts), window_ends_at__gt=now
    )
    return rows.values_list("count", flat=True).first() or 0


def clear(organization_id: UUID, budget: Budget, *key_parts: str) -> None:
    """Forgets the tries of this key: it was who it said it was. Others' counters stay."""
    Counter.objects.filter(
        organization_id=organization_id, budget=budget.name, key_hmac=_key(budget, key_parts)
    ).delete()


def clear_all(organization_id: UUID, *keys: tuple[Budget, tuple[str, ...]]) -> None:
    """:func:`clear` for several at once."""
    hashes = [_key(budget, key_parts) for budget, key_parts in keys]
    Counter.objects.filter(organization_id=organization_id, key_hmac__in=hashes).delete()


def purge(now: datetime) -> int:
    """Removes counters that no longer say anything. How many."""
    over = Counter.objects.filter(window_ends_at__lte=now).exclude(blocked_until__gt=now)
    return over.delete()[0]


def about_hmac(about: str) -> bytes:
    """What is kept of the first part of a key: 32 bytes."""
    digest: bytes = settings.KEYRING.code_hmac("limit about", about)
    return digest


def _key(budget: Budget, parts: tuple[str, ...]) -> bytes:
    digest: bytes = settings.KEYRING.code_hmac("limit", budget.name, *parts)
    return digest
