"""A typed pass, judged."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from keyback.portal.limits.clients import Client
from keyback.portal.methods import proofs
from keyback.portal.methods.access_pass.method import METHOD
from keyback.portal.methods.access_pass.passes import is_right
from keyback.portal.recovery.models import Recovery
from keyback.portal.recovery.subjects import person_or_nobody
from keyback.portal.securityinfo.models import RegisteredMethod
from keyback.portal.securityinfo.registered import Registered, held

__all__ = ["try_pass"]


def try_pass(recovery: Recovery, typed: str, client: Client, now: datetime) -> Recovery:
    """The recovery with its gate opened. Raises ProofRefused, or Blocked for this client's own tries."""

    def judge() -> proofs.Take | None:
        person = person_or_nobody(recovery)
        found = next(iter(held(person, METHOD.name, now)), None)
        return partial(_taken, found, now) if is_right(person, found, typed, now) and found is not None else None

    return proofs.prove(recovery, METHOD.name, client, now, judge, pooled=False)


def _taken(found: Registered, now: datetime) -> bool:
    rows = RegisteredMethod.objects.filter(pk=found.row.pk)
    if found.secret["once"]:
        rows = rows.filter(used_at=None)
    return rows.update(used_at=now) == 1
