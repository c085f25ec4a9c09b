"""Which questions a person is asked now: some of those they answered, drawn anew with each challenge.

Who answered none is asked questions made up for them: always the same for one account, as many as somebody's policy
would have them answer, and drawn in the same way. Nothing on the page tells which it is; so as many are asked as the
strictest policy of the organization wants, whoever it is, and whether the person's own wants more than they answered is
looked at once the answers were right.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import TypeVar

from django.conf import settings
from django.utils import timezone
from django.utils.html import escape

from keyback.portal.methods import challenges
from keyback.portal.methods.questions import catalogue
from keyback.portal.methods.questions.method import METHOD
from keyback.portal.people.models import Policy
from keyback.portal.recovery.models import Challenge, Recovery
from keyback.portal.recovery.subjects import likeness, person_or_nobody
from keyback.portal.securityinfo.registered import Registered, held

__all__ = ["Asked", "Draw", "draw"]


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asked:
    """One question. ``kept``: what is kept of its answer; None where the question is made up."""

    key: str
    text: str
    kept: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Draw:
    """``padding``: as many characters as make every draw of this many questions equally long on the wire."""

    asked: tuple[Asked, ...]
    found: Registered | None
    padding: int


def draw(recovery: Recovery, challenge: Challenge) -> Draw:
    """The same for one challenge each time."""
    person = person_or_nobody(recovery)
    offered = catalogue.offered(recovery.organization)
    policies = [
        policy
        for policy in Policy.objects.filter(organization=recovery.organization, reset=True).order_by("position", "id")
        if METHOD.name in policy.methods
    ]
    found = next(iter(held(person, METHOD.name, timezone.now())), None)
    if found is None:
        alike = next(iter(_shuffled({str(policy.pk): policy for policy in policies}, recovery, "policy")), None)
        pool = [
            Asked(key, text, None)
            for key, text in _shuffled({k: (k, v) for k, v in offered.items()}, recovery, "questions")
        ]
        pool = pool[: (alike or Policy()).questions_registered]
    else:
        pool = [Asked(one["key"], offered.get(one["key"], one["text"]), one["kept"]) for one in found.secret["answers"]]
    seed = challenges.bytes_of(challenge, recovery)
    pool.sort(key=lambda one: hmac.digest(seed, one.key.encode(), hashlib.sha256))
    asked = tuple(pool[: max((policy.questions_asked for policy in policies), default=len(pool))])
    longest = max(map(_length, (*offered.values(), *(one.text for one in asked))))
    return Draw(asked, found, longest * len(asked) - sum(_length(one.text) for one in asked))


def _shuffled(values: dict[str, T], recovery: Recovery, purpose: str) -> list[T]:
    """In an order that is always the same for one account, and that nobody can work out."""

    def place(key: str) -> bytes:
        digest: bytes = settings.KEYRING.people_hmac("made up", purpose, likeness(recovery), key)
        return digest

    return [values[key] for key in sorted(values, key=place)]


def _length(text: str) -> int:
    return len(escape(text).encode())
