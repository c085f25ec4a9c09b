"""The numbers of limits as an organization sets them, and blocks as its administrators see and release them.

An organization's own numbers stand in ``Organization.limits``: ``{name: {"limit": tries, "window": seconds, "block":
seconds or null}}``. A budget that is not there has the numbers of the code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import import_module

from django.db import transaction

from keyback.errors import KeybackError
from keyback.portal.audit.words import Activity, Result
from keyback.portal.audit.writer import write
from keyback.portal.limits.budgets import Budget, about_hmac
from keyback.portal.limits.models import Counter
from keyback.portal.organizations.models import Organization

__all__ = ["Block", "LimitRefused", "blocks", "change", "known", "numbers", "release", "reset"]

_MOST = 100_000
_LONGEST = timedelta(days=366)


class LimitRefused(KeybackError):
    """There is no such limit, or it cannot have these numbers."""

    code = "limit_refused"


def known() -> dict[str, Budget]:
    """Every budget there is, as the code has it, by name."""
    import_module("keyback.portal.urls")  # each part defines its own
    return dict(sorted(Budget.known.items()))


def numbers(organization: Organization) -> dict[str, Budget]:
    """Every budget with the numbers that hold for this organization."""
    own = organization.limits
    return {name: budget.changed(own[name]) if name in own else budget for name, budget in known().items()}


def change(
    organization: Organization,
    name: str,
    *,
    limit: int | None = None,
    window: timedelta | None = None,
    block: timedelta | None = None,
    by: str,
    now: datetime,
) -> Budget:
    """Sets what is given; ``block`` of zero: closed until the window ends. What is closed already stays closed until
    its time. Raises LimitRefused."""
    budget = numbers(organization).get(name)
    if budget is None:
        raise LimitRefused(f"there is no limit {name!r}; there are: {', '.join(known())}")
    limit = budget.limit if limit is None else limit
    window = budget.window if window is None else window
    block = budget.block if block is None else block
    if not 1 <= limit <= _MOST:
        raise LimitRefused(f"a limit is between 1 and {_MOST} tries: with none nobody could get in")
    if not timedelta(seconds=1) <= window <= _LONGEST or not timedelta(0) <= (block or timedelta(0)) <= _LONGEST:
        raise LimitRefused("a window is between one second and 366 days, and a block at most as long")
    new = {
        "limit": limit,
        "window": int(window.total_seconds()),
        "block": int(block.total_seconds()) if block else None,
    }
    _store(organization, name, new, by, now)
    return budget.changed(new)


def reset(organization: Organization, name: str, *, by: str, now: datetime) -> Budget:
    """Back to the numbers of the code. Raises LimitRefused."""
    if name not in known():
        raise LimitRefused(f"there is no limit {name!r}; there are: {', '.join(known())}")
    _store(organization, name, None, by, now)
    return known()[name]


def _store(organization: Organization, name: str, new: dict[str, int | None] | None, by: str, now: datetime) -> None:
    with transaction.atomic():
        row = Organization.objects.select_for_update(no_key=True).get(id=organization.id)
        row.limits = {key: value for key, value in row.limits.items() if key != name}
        if new is not None:
            row.limits[name] = new
        row.save(update_fields=["limits"])
        details = {key: str(value) for key, value in (new or {}).items()}
        write(
            row.id, Activity.LIMITS_CHANGED, result=Result.SUCCESS, actor=by, now=now, details={"name": name, **details}
        )
    organization.limits = row.limits


@dataclass(frozen=True, slots=True)
class Block:
    """A limit that is closed. ``about``: the keyed hash of whom or what it is about."""

    id: int
    name: str
    until: datetime
    about: bytes


def blocks(organization: Organization, now: datetime, about: list[str] | None = None) -> Iterator[Block]:
    """What is closed now, the last to open first. ``about``: only what is about these."""
    found = Counter.objects.filter(organization=organization, blocked_until__gt=now)
    if about is not None:
        found = found.filter(about_hmac__in=[about_hmac(one) for one in about])
    for row in found.order_by("-blocked_until", "pk").iterator():
        if row.blocked_until is not None:
            yield Block(row.pk, row.budget, row.blocked_until, bytes(row.about_hmac))


def release(
    organization: Organization, *, by: str, now: datetime, about: list[str] | None = None, block_id: int | None = None
) -> int:
    """Forgets what was counted about these, or the one block of this id, and audits it. How many counters."""
    found = Counter.objects.filter(organization=organization)
    if about is not None:
        found = found.filter(about_hmac__in=[about_hmac(one) for one in about])
    if block_id is not None:
        found = found.filter(pk=block_id)
    if about is None and block_id is None:
        raise ValueError("everything at once is not released")
    with transaction.atomic():
        names = sorted(set(found.values_list("budget", flat=True)))
        count = found.delete()[0]
        if count:
            write(
                organization.id,
                Activity.LIMITS_RELEASED,
                result=Result.SUCCESS,
                actor=by,
                now=now,
                details={"names": ", ".join(names)[:500], "count": count},
            )
    return count
