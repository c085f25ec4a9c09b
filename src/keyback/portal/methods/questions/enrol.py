"""Choosing and answering questions: as many as the policy wants, no question and no answer twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import ngettext

from keyback.portal.methods.questions import answers
from keyback.portal.methods.questions.method import METHOD
from keyback.portal.people.models import Person
from keyback.portal.securityinfo import registered
from keyback.portal.securityinfo.models import RegisteredMethod

__all__ = ["Chosen", "Mistake", "mistakes", "put_on_file"]


@dataclass(frozen=True, slots=True)
class Chosen:
    """A question, by its key, and what the person answers."""

    key: str
    answer: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Mistake:
    """``number``: of the question, from 1. ``about``: ``question`` or ``answer``. ``code``: ``unknown``, ``twice`` or
    ``length``."""

    number: int
    about: str
    code: str


def mistakes(chosen: Sequence[Chosen], offered: Mapping[str, str]) -> list[Mistake]:
    """Everything that keeps these from being put on file."""
    found: list[Mistake] = []
    for number, one in enumerate(chosen, 1):
        earlier = chosen[: number - 1]
        if one.key not in offered:
            found.append(Mistake(number, "question", "unknown"))
        elif one.key in {other.key for other in earlier}:
            found.append(Mistake(number, "question", "twice"))
        if not answers.fits(one.answer):
            found.append(Mistake(number, "answer", "length"))
        elif answers.normal(one.answer) in {answers.normal(other.answer) for other in earlier}:
            found.append(Mistake(number, "answer", "twice"))
    return found


def put_on_file(
    person: Person,
    chosen: Sequence[Chosen],
    offered: Mapping[str, str],
    *,
    by: str,
    now: datetime,
    opens_from: datetime | None = None,
    tracking_id: UUID | None = None,
) -> RegisteredMethod:
    """In place of what the person answered before. ValueError where there are :func:`mistakes`."""
    if mistakes(chosen, offered):
        raise ValueError("these questions cannot be put on file")
    kept = [
        {"key": one.key, "text": offered[one.key], "kept": answers.keep(person, one.key, one.answer)} for one in chosen
    ]
    with transaction.atomic():
        for old in registered.rows_of(person, METHOD.name):
            registered.remove(old, by=by, now=now, tracking_id=tracking_id)
        return registered.add(
            person,
            METHOD.name,
            label=ngettext("%(count)d question", "%(count)d questions", len(kept)) % {"count": len(kept)},
            secret={"answers": kept},
            most=1,
            by=by,
            now=now,
            opens_from=opens_from,
            tracking_id=tracking_id,
        )
