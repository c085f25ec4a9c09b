"""A passkey's answer, judged. Which passkey it was is looked up for nobody too, and not found."""

from __future__ import annotations

import uuid
from datetime import datetime
from functools import partial
from typing import Any

from django.conf import settings

from keyback.portal.limits.clients import Client
from keyback.portal.methods import proofs
from keyback.portal.methods.codes import LIFE, latest
from keyback.portal.methods.passkey import ceremony
from keyback.portal.methods.passkey.method import METHOD
from keyback.portal.people.models import Person
from keyback.portal.recovery.models import Challenge, Recovery
from keyback.portal.recovery.subjects import account, person_or_nobody
from keyback.portal.securityinfo.models import RegisteredMethod
from keyback.portal.securityinfo.registered import Registered, find

__all__ = ["ask", "challenge_of", "judge", "try_answer"]


def ask(recovery: Recovery, now: datetime) -> Challenge:
    """A new challenge, which replaces earlier ones."""
    challenge_id = uuid.uuid4()
    return Challenge.objects.create(
        id=challenge_id,
        organization_id=recovery.organization_id,
        recovery=recovery,
        method=METHOD.name,
        code_hmac=_bytes(challenge_id, recovery),
        tries_left=1,
        sent_at=now,
        expires_at=now + LIFE,
    )


def challenge_of(recovery: Recovery) -> bytes | None:
    """What the newest challenge asks the passkey to sign; None before there is one. Made from the row's id and a key,
    never read from the row."""
    asked = latest(recovery, METHOD.name)
    return None if asked is None else _bytes(asked.id, recovery)


def _bytes(challenge_id: uuid.UUID, recovery: Recovery) -> bytes:
    digest: bytes = settings.KEYRING.people_hmac("passkey", str(challenge_id), str(recovery.id), *account(recovery))
    return digest


def try_answer(recovery: Recovery, text: str, client: Client, now: datetime) -> Recovery:
    """The recovery with its gate opened. Each challenge takes one answer. Raises ProofRefused or Blocked."""

    def once() -> proofs.Take | None:
        asked = latest(recovery, METHOD.name)
        if asked is None:
            return None
        alive = Challenge.objects.filter(id=asked.id, used_at=None, expires_at__gt=now)
        fresh = alive.update(used_at=now, tries_left=0) == 1
        take = judge(person_or_nobody(recovery), text, _bytes(asked.id, recovery), now)
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
