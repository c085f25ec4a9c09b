"""Answers: what makes two the same, and how they are kept. Argon2id over an HMAC, so that whoever steals the database
cannot try the few hundred first names there are."""

from __future__ import annotations

import unicodedata
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from django.conf import settings

from keyback.portal.people.contacts import place_of
from keyback.portal.people.models import Person

__all__ = ["LONGEST", "SHORTEST", "fits", "keep", "normal", "right"]

SHORTEST, LONGEST = 3, 40
_hasher = PasswordHasher()


def normal(text: str) -> str:
    """Without regard to case, to space at the ends and to how much of it there is between words."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def fits(text: str) -> bool:
    """Whether it is long enough and not too long, as it will be compared."""
    return SHORTEST <= len(normal(text)) <= LONGEST


def keep(person: Person, question: str, text: str) -> str:
    """What is kept of an answer: bound to the person, their object in the directory, and the question."""
    return _hasher.hash(_peppered(person, question, text))


def right(person: Person, question: str, text: str, kept: str | None) -> bool:
    """``kept``: None for a question that nobody answered; the same work is done."""
    try:
        _hasher.verify(kept or _nobodys(), _peppered(person, question, text))
    except (VerificationError, InvalidHashError):
        return False
    return kept is not None


def _peppered(person: Person, question: str, text: str) -> str:
    digest: bytes = settings.KEYRING.people_hmac(
        "answer", str(person.organization_id), place_of(person), question, normal(text)
    )
    return digest.hex()


@cache
def _nobodys() -> str:
    return _hasher.hash("nobody answered this")
