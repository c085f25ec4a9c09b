"""Making a pass, and what is kept of it.

It has 31 letters and digits that cannot be taken for each other: eight of them are 2^39 possibilities, which nobody
guesses within the 30 days that a pass lasts at most, however many addresses they have. That is why strangers' wrong
tries are counted for each of them and never together: nobody can keep a person from using the pass in their hand.
"""

from __future__ import annotations

import hmac
import secrets
import uuid
from datetime import datetime, timedelta
from functools import cache

from django.conf import settings
from django.db import transaction

from keyback.errors import KeybackError
from keyback.portal.methods.access_pass.method import METHOD, valid
from keyback.portal.people.contacts import place_of
from keyback.portal.people.models import Person
from keyback.portal.securityinfo import registered
from keyback.portal.securityinfo.models import RegisteredMethod

__all__ = ["LENGTHS", "MINUTES", "PassRefused", "is_right", "make", "normal", "purge"]

MINUTES = (10, 43_200)
LENGTHS = (8, 48)
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


class PassRefused(KeybackError):
    """No such pass can be made; the text says why."""

    code = "pass_refused"


def make(person: Person, *, minutes: int, length: int, once: bool, by: str, now: datetime) -> str:
    """A new pass, shown this once; an earlier one of the person's ends. Raises PassRefused."""
    for name, value, (least, most) in (("minutes", minutes, MINUTES), ("characters", length, LENGTHS)):
        if not least <= value <= most:
            raise PassRefused(f"a pass has {least} to {most} {name}")
    if not person.enabled or person.removed_at is not None:
        raise PassRefused(f"{person.user_id} is disabled or gone")
    text = "".join(secrets.choice(_LETTERS) for _ in range(length))
    ends = now + timedelta(minutes=minutes)
    salt = str(uuid.uuid4())
    with transaction.atomic():
        for row in registered.rows_of(person, METHOD.name):
            registered.remove(row, by=by, now=now)
        registered.add(
            person,
            METHOD.name,
            label=f"{ends:%Y-%m-%d %H:%M} UTC",
            secret={"hmac": _hmac(person, salt, text), "salt": salt, "until": ends.isoformat(), "once": once},
            most=1,
            by=by,
            now=now,
        )
    return text


def normal(typed: str) -> str:
    """Without the gaps and capital letters with which people write it down."""
    return "".join(typed.split()).replace("-", "").casefold()


def is_right(person: Person, found: registered.Registered | None, typed: str, now: datetime) -> bool:
    """``found``: None for whoever has no pass; the same work is done."""
    salt, kept = (found.secret["salt"], found.secret["hmac"]) if found else ("", _nobodys())
    same = hmac.compare_digest(_hmac(person, salt, normal(typed)), kept)
    return same and found is not None and valid(found, now)


def purge(now: datetime) -> int:
    """Forgets passes that are over. How many."""
    longest = timedelta(minutes=MINUTES[1])
    return RegisteredMethod.objects.filter(method=METHOD.name, created_at__lt=now - longest).delete()[0]


def _hmac(person: Person, salt: str, text: str) -> str:
    digest: bytes = settings.KEYRING.people_hmac(
        "access pass", str(person.organization_id), place_of(person), salt, text
    )
    return digest.hex()


@cache
def _nobodys() -> str:
    return secrets.token_hex(32)
