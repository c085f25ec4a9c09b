"""Answers, judged: all of them, each time, whether the questions are somebody's or made up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from keyback.portal.limits.budgets import QUESTION_GATES, Blocked, spend
from keyback.portal.limits.clients import Client, counting
from keyback.portal.methods import challenges, proofs
from keyback.portal.methods.questions.answers import right
from keyback.portal.methods.questions.draw import Draw
from keyback.portal.methods.questions.method import METHOD
from keyback.portal.recovery.models import Challenge, Recovery
from keyback.portal.recovery.subjects import person_or_nobody, subject, typed_key
from keyback.portal.securityinfo.models import RegisteredMethod
from keyback.portal.securityinfo.registered import Registered

__all__ = ["try_answers"]


def try_answers(
    recovery: Recovery, challenge: Challenge, drawn: Draw, typed: Sequence[str], *, client: Client, now: datetime
) -> Recovery:
    """``typed``: in the order of the draw. The recovery with its gate opened. Raises ProofRefused or Blocked."""
    counted = counting(client, recovery.organization.limit_profile)
    spend(recovery.organization_id, QUESTION_GATES, typed_key(recovery), counted.key, now=now)
    try:
        spend(recovery.organization_id, QUESTION_GATES, subject(recovery), counted.key, now=now)
        allowed = True
    except Blocked:  # the person's own count acts silently, like a wrong answer
        allowed = False

    def judge() -> proofs.Take | None:
        fresh = challenges.take(challenge, now)
        person = person_or_nobody(recovery)
        verdicts = [right(person, one.key, text, one.kept) for one, text in zip(drawn.asked, typed, strict=True)]
        right_ones = allowed and fresh and all(verdicts)
        return partial(_taken, drawn.found, now) if right_ones and drawn.found is not None else None

    return proofs.prove(recovery, METHOD.name, client, now, judge)


def _taken(found: Registered, now: datetime) -> bool:
    if not METHOD.masks(found.row.person):
        return False  # the person's policy asks for more answers by now than they gave
    return RegisteredMethod.objects.filter(pk=found.row.pk).update(used_at=now) == 1
