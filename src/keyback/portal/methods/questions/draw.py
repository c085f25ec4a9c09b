"""Which questions a person is asked now: some of those they answered, drawn anew with each challenge.

Who answered none is asked questions made up for them: always the same for one account, as many as somebody's policy
would ask, and drawn in the same way. Nothing on the page tells which it is.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.conf import settings
from django.utils import timezone
from django.utils.html import escape

from keyback.portal.methods import challenges
from keyback.portal.methods.questions import catalogue
from keyback.portal.methods.questions.method import METHOD
from keyback.portal.people.models import Policy
from keyback.portal.people.policies import policy_for
from keyback.portal.recovery.models import Challenge, Recovery
from keyback.portal.recovery.subjects import likeness, person_or_nobody
from keyback.portal.securityinfo.registered import Registered, held

__all__ = ["Asked", "Draw", "draw"]


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
    policy = policy_for(recovery.organization, recovery.person)
    found = next(iter(held(person, METHOD.name, timezone.now())), None)
    answers = list(found.secret["answers"]) if found else []
    if policy is None or METHOD.name not in policy.methods or len(answers) < policy.questions_asked:
        found = None
        policy = _first(policies, likeness(recovery), "policy") or Policy()
        keys = _shuffled(offered, likeness(recovery), "questions")[
            : max(policy.questions_registered, policy.questions_asked)
        ]
        pool = [Asked(key, offered[key], None) for key in keys]
    else:
        pool = [Asked(one["key"], offered.get(one["key"], one["text"]), one["kept"]) for one in answers]
    seed = challenges.bytes_of(challenge, recovery)
    pool.sort(key=lambda one: hmac.digest(seed, one.key.encode(), hashlib.sha256))
    asked = tuple(pool[: policy.questions_asked])
    longest = max(map(_length, (*offered.values(), *(one.text for one in asked))))
    return Draw(asked, found, longest * len(asked) - sum(_length(one.text) for one in asked))


def _first(policies: list[Policy], key: str, purpose: str) -> Policy | None:
    order = _shuffled((str(policy.pk) for policy in policies), key, purpose)
    return next((policy for policy in policies if order and str(policy.pk) == order[0]), None)


def _shuffled(keys: Iterable[str], key: str, purpose: str) -> list[str]:
    """In an order that is always the same for ``key``, and that nobody can work out."""
    return sorted(keys, key=lambda one: bytes(settings.KEYRING.people_hmac("made up", purpose, key, one)))


def _length(text: str) -> int:
    return len(escape(text).encode())
