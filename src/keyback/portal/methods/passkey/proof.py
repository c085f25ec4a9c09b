"""A passkey's answer, judged. Which passkey it was is looked up for nobody too, and not found."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from keyback.portal.limits.clients import Client
from keyback.portal.methods import challenges, proofs
from keyback.portal.methods.passkey import ceremony
from keyback.portal.methods.passkey.method import METHOD
from keyback.portal.people.models import Person
from keyback.portal.recovery.models import Challenge, Recovery
from keyback.portal.recovery.subjects import person_or_nobody
from keyback.portal.securityinfo.models import RegisteredMethod
from keyback.portal.securityinfo.registered import Registered, find

__all__ = ["judge", "try_answer"]


def try_answer(recovery: Recovery, asked: Challenge, text: str, client: Client, now: datetime) -> Recovery:
    """``asked``: the newest challenge. The recovery with its gate opened. Raises ProofRefused or Blocked."""

    def once() -> proofs.Take | None:
        fresh = challenges.take(asked, now)
        take = judge(person_or_nobody(recovery), text, challenges.bytes_of(asked, recovery), now)
        return take if fresh else None

    return proofs.prove(recovery, METHOD.name, client, now, once)


def judge(person: Person, text: str, challenge: bytes, now: datetime) -> proofs.Take | None:
    """None where it is no answer to this challenge by a passkey of this person's."""
    try:
        answer: dict[str, Any] = ceremony.answer_to(text)
    except ceremony.AnswerRefused:
        answer = {}
    found = find(person, METHOD.name, ceremony.lookup(person, ceremony.credential_id(answer)), now)
    if found is None:
        return None
    try:
        counter = ceremony.use(answer, challenge, bytes.fromhex(found.secret["public_key"]), found.row.counter)
    except ceremony.AnswerRefused:
        return None
    return partial(_taken, found, counter, now)


def _taken(found: Registered, counter: int, now: datetime) -> bool:
    """A counter that does not rise is a copy of the passkey."""
    rows = RegisteredMethod.objects.filter(pk=found.row.pk)
    if counter:
        rows = rows.filter(counter__lt=counter)
    return rows.update(counter=counter, used_at=now) == 1
