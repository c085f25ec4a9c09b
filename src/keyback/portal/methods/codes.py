"""Codes of digits, by whatever way they travel: tried, and worth one use. Unknown people get the same rows."""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F

from keyback.errors import KeybackError
from keyback.portal.limits.clients import Client
from keyback.portal.recovery import gates
from keyback.portal.recovery.models import Challenge, Recovery
from keyback.portal.recovery.subjects import account

__all__ = ["LIFE", "CodeRefused", "code_hmac", "digits_of", "latest", "try_code"]

LIFE = timedelta(minutes=5)


class CodeRefused(KeybackError):
    """``tries_left`` with this code; 0 means that a new one is needed."""

    code = "code_refused"

    def __init__(self, tries_left: int) -> None:
        super().__init__("wrong or dead code")
        self.tries_left = tries_left


def digits_of(typed: str, length: int) -> str | None:
    """The code as typed, without gaps; None for what cannot be one, which costs no try."""
    code = "".join(c for c in typed if c not in " -–.")
    return code if len(code) == length and code.isascii() and code.isdigit() else None


def latest(recovery: Recovery, method: str) -> Challenge | None:
    """The newest code of this method and recovery: the only one that counts."""
    return Challenge.objects.filter(recovery=recovery, method=method).order_by("-sent_at", "-id").first()


def try_code(recovery: Recovery, challenge: Challenge, typed: str, client: Client, now: datetime) -> Recovery:
    """``challenge``: the latest of this recovery. The recovery with its gate opened. Raises CodeRefused or Blocked.

    The order matters: every budget is spent, and the code's own try taken, before anything is compared, so that
    parallel tries cannot pass; and the code is marked as used by a conditional update, so that two right ones open
    one gate.
    """
    method = challenge.method
    spent = gates.spend_proof(recovery, method, client, now)
    if not _take_try(challenge, now):
        raise CodeRefused(0)
    right = hmac.compare_digest(bytes(challenge.code_hmac), code_hmac(challenge.id, recovery, method, typed))
    # A code that was never sent to what is on file proves nothing, however it was guessed.
    if not (right and spent.allowed and challenge.datum_id is not None):
        gates.failed_proof(recovery, method, spent, now)
        raise CodeRefused(max(0, challenge.tries_left - 1))
    with transaction.atomic():
        if not Challenge.objects.filter(id=challenge.id, used_at=None).update(used_at=now):
            raise CodeRefused(0)
        opened = gates.open_gate(recovery, method, now)
    gates.clear_proof(recovery, method, client)
    return opened


def _take_try(challenge: Challenge, now: datetime) -> bool:
    alive = Challenge.objects.filter(id=challenge.id, used_at=None, expires_at__gt=now, tries_left__gt=0)
    return alive.update(tries_left=F("tries_left") - 1) == 1


def code_hmac(challenge_id: UUID, recovery: Recovery, method: str, code: str) -> bytes:
    """What is kept of a code: 32 bytes, bound to the challenge, the method and the very account."""
    digest: bytes = settings.KEYRING.people_hmac(
        "code", method, str(challenge_id), str(recovery.id), *account(recovery), code
    )
    return digest
