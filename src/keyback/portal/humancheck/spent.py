"""The memory of used checks. Nothing is written until a check is answered, so that the first page costs no row."""

from __future__ import annotations

import hashlib
from datetime import datetime

from django.db import IntegrityError, transaction

from keyback.errors import KeybackError
from keyback.portal.humancheck.models import SpentCheck

__all__ = ["HumanCheckFailed", "spend"]


class HumanCheckFailed(KeybackError):
    """Not solved, too old, used before, or not ours: one answer for all, and a new check to go with it."""

    code = "human_check_failed"


def spend(challenge: bytes, expires_at: datetime, now: datetime) -> None:
    """Marks a challenge as used. Of parallel calls exactly one returns; the others raise HumanCheckFailed."""
    try:
        with transaction.atomic():
            SpentCheck.objects.filter(expires_at__lte=now).delete()
            SpentCheck.objects.create(digest=hashlib.sha256(challenge).digest(), expires_at=expires_at)
    except IntegrityError:
        raise HumanCheckFailed("used before") from None
