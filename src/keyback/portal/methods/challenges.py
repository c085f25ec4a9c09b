"""Challenges that no message carries: what a passkey signs, which questions are drawn. One answer each."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.conf import settings

from keyback.portal.methods.codes import LIFE
from keyback.portal.recovery.models import Challenge, Recovery
from keyback.portal.recovery.subjects import account

__all__ = ["ask", "bytes_of", "take"]


def ask(recovery: Recovery, method: str, now: datetime) -> Challenge:
    """A new challenge, which replaces earlier ones of this method."""
    challenge_id = uuid.uuid4()
    challenge = Challenge(
        id=challenge_id,
        organization_id=recovery.organization_id,
        recovery=recovery,
        method=method,
        tries_left=1,
        sent_at=now,
        expires_at=now + LIFE,
    )
    challenge.code_hmac = bytes_of(challenge, recovery)
    challenge.save(force_insert=True)
    return challenge


def bytes_of(challenge: Challenge, recovery: Recovery) -> bytes:
    """32 bytes that nobody can foresee, the same for one challenge each time. Made from the row's id, a key and the
    very account, and never read from the row, which somebody may have changed."""
    digest: bytes = settings.KEYRING.people_hmac(
        "challenge", challenge.method, str(challenge.id), str(recovery.id), *account(recovery)
    )
    return digest


def take(challenge: Challenge, now: datetime) -> bool:
    """Takes its one answer. False where that was given, or its time is over."""
    alive = Challenge.objects.filter(id=challenge.id, used_at=None, expires_at__gt=now)
    return alive.update(used_at=now, tries_left=0) == 1
