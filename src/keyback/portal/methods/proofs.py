"""Opening a gate with something registered: counted before it is judged, worth one use, the same work for nobody."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.db import transaction

from keyback.errors import KeybackError
from keyback.portal.limits.clients import Client
from keyback.portal.recovery import gates
from keyback.portal.recovery.models import Recovery

__all__ = ["ProofRefused", "Take", "prove"]

Take = Callable[[], bool]
"""Marks a proof as used by a conditional update. False: another request was faster, or it was used before."""


class ProofRefused(KeybackError):
    """This opens nothing, for whatever reason."""

    code = "proof_refused"

    def __init__(self) -> None:
        super().__init__("not a proof")


def prove(
    recovery: Recovery,
    method: str,
    client: Client,
    now: datetime,
    judge: Callable[[], Take | None],
    *,
    pooled: bool = True,
) -> Recovery:
    """The recovery with its gate opened. ``judge``: works the same for everybody; None for what is no proof.
    ``pooled``: whether strangers' wrong proofs are counted together. Raises ProofRefused or Blocked.

    Every budget is spent before anything is compared, so that parallel tries cannot pass.
    """
    spent = gates.spend_proof(recovery, method, client, now, pooled=pooled)
    take = judge()
    opened = _opened(recovery, method, now, take) if take is not None and spent.allowed else None
    if opened is None:
        gates.failed_proof(recovery, method, spent, now)
        raise ProofRefused
    gates.clear_proof(recovery, method, client)
    return opened


def _opened(recovery: Recovery, method: str, now: datetime, take: Take) -> Recovery | None:
    with transaction.atomic():
        return gates.open_gate(recovery, method, now) if take() else None
