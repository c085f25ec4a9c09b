"""Proof of work (ALTCHA version 2): the browser looks for a key that begins with the asked bits, while the person
types.

Finding takes 256 derivations of ``work_cost`` rounds on average; making a challenge costs one HMAC, checking an
answer one derivation. Version 1 of the scheme is not accepted: it could be spliced.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import altcha
from django.conf import settings
from django.utils.html import json_script
from django.utils.safestring import SafeString

from keyback.portal.humancheck.spent import HumanCheckFailed, spend

__all__ = ["LONGEST", "begin", "complete", "element"]

_ALGORITHM = "PBKDF2/SHA-256"
_LIFE = timedelta(hours=1)
LONGEST = 2_000
"""Characters that an answer may have; one is about 600."""


def _secret() -> str:
    return bytes(settings.KEYRING.code_hmac("human check", "work")).hex()


def begin(now: datetime) -> dict[str, Any]:
    """A new challenge."""
    challenge = altcha.create_challenge(
        _ALGORITHM, settings.CONFIG.work_cost, key_prefix="00", expires_at=now + _LIFE, hmac_secret=_secret()
    )
    return challenge.to_dict()


def element(now: datetime) -> SafeString:
    """The same as the element in which the page's script finds it."""
    return json_script(begin(now), "work-challenge")


def complete(payload: str, now: datetime) -> None:
    """Returns when the work was done, the first time. Raises HumanCheckFailed."""
    if not altcha.verify_solution(payload, _secret()).verified:
        raise HumanCheckFailed("not solved")
    challenge = json.loads(base64.b64decode(payload))["challenge"]
    expires_at = datetime.fromtimestamp(challenge["parameters"]["expiresAt"], UTC)
    # The signature covers every parameter, so it names the challenge; the solution's own fields could be varied.
    spend(challenge["signature"].encode(), expires_at, now)
