"""A typed code, judged against every app and token of the person; nobody has one too, whose code is never right."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from django.conf import settings

from keyback.portal.limits.clients import Client
from keyback.portal.methods import proofs
from keyback.portal.methods.authenticator.method import METHOD
from keyback.portal.methods.authenticator.totp import App, Match, match
from keyback.portal.people.models import Person
from keyback.portal.recovery.models import Recovery
from keyback.portal.recovery.subjects import person_or_nobody
from keyback.portal.securityinfo.models import RegisteredMethod
from keyback.portal.securityinfo.registered import Registered, held

__all__ = ["DIGITS", "judge", "try_code"]

DIGITS = 6


def try_code(recovery: Recovery, typed: str, client: Client, now: datetime) -> Recovery:
    """The recovery with its gate opened. Raises ProofRefused or Blocked."""
    return proofs.prove(recovery, METHOD.name, client, now, lambda: judge(person_or_nobody(recovery), typed, now))


def judge(person: Person, typed: str, now: datetime) -> proofs.Take | None:
    """None where it is not a code of this person's, or one that was taken before."""
    take: proofs.Take | None = None
    apps = held(person, METHOD.name, now)
    for found in apps:
        if right := match(App.of(found.secret, found.row.counter, found.row.drift), typed, now):
            take = partial(_taken, found, right, now)
    if not apps:
        match(_nobodys(), typed, now)
    return take


def _taken(found: Registered, right: Match, now: datetime) -> bool:
    """Learns how the clock is off, and takes the step: no code is worth anything twice, nor any earlier one."""
    later = RegisteredMethod.objects.filter(pk=found.row.pk, counter__lt=right.step)
    return later.update(counter=right.step, drift=right.drift, used_at=now) == 1


def _nobodys() -> App:
    secret = settings.KEYRING.people_hmac("nobody's authenticator")[:20].hex()
    letters = "ABCDEFGHIJKLMNOP"
    return App("".join(letters[int(c, 16)] for c in secret)[:32], 30, 1, 0)
