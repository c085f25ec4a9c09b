"""Codes by e-mail: sent, tried, worth one use. Unknown people get the same rows, and a message that is never sent."""

from __future__ import annotations

import hmac
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F

from keyback.errors import KeybackError
from keyback.portal.audit.words import Activity, Result
from keyback.portal.limits.budgets import CODES_SENT, CODES_SENT_POOL, Blocked, Budget, spend_all
from keyback.portal.limits.clients import Client
from keyback.portal.messages.queue import MessageKind, enqueue
from keyback.portal.methods.email.method import METHOD
from keyback.portal.people.contacts import mails_of
from keyback.portal.recovery import gates
from keyback.portal.recovery.models import Challenge, Recovery
from keyback.portal.recovery.subjects import account, audit, person_or_nobody, subject, typed_key
from keyback.portal.vault import open_value, seal_value

__all__ = ["DIGITS", "CodeRefused", "latest", "send", "try_code"]

DIGITS = 8
_LIFE = timedelta(minutes=5)
_NOBODY = UUID(int=0)
# A mailbox must not drown, whoever asks from wherever: Microsoft's ten mails in ten minutes.
TO_ONE_MAILBOX = Budget("mails_to_one_mailbox", 10, timedelta(minutes=10))
BY_ONE_CLIENT = Budget("mails_by_one_client", 30, timedelta(hours=1))
FOR_ONE_ORGANIZATION = Budget("mails_for_one_organization", 600, timedelta(minutes=10))


class CodeRefused(KeybackError):
    """``tries_left`` with this code; 0 means that a new one is needed."""

    code = "code_refused"

    def __init__(self, tries_left: int) -> None:
        super().__init__("wrong or dead code")
        self.tries_left = tries_left


@dataclass(frozen=True, slots=True)
class _Destination:
    datum_id: UUID | None
    address: str | None
    key: str


def send(recovery: Recovery, client: Client, now: datetime) -> Challenge:
    """Makes a code, which replaces earlier ones, and queues its mail. Raises Blocked for what everybody may know.

    What is counted for the person and for the mailbox acts silently: the page stays the same, and nothing is sent.
    """
    organization_id = recovery.organization_id
    told = [*_sends(client, typed_key(recovery)), (FOR_ONE_ORGANIZATION, (str(organization_id),))]
    if client.kind != "office":  # hundreds of people share its address
        told.insert(0, (BY_ONE_CLIENT, (client.key,)))
    spend_all(organization_id, *told, now=now)
    destination = _destination(recovery)
    silent = destination.address is None
    try:
        personal = _sends(client, subject(recovery))
        spend_all(organization_id, *personal, (TO_ONE_MAILBOX, (destination.key,)), now=now)
    except Blocked:
        silent = True
    code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}d}"
    challenge_id = uuid.uuid4()
    with transaction.atomic():
        challenge = Challenge.objects.create(
            id=challenge_id,
            organization_id=organization_id,
            recovery=recovery,
            method=METHOD.name,
            datum_id=None if silent else destination.datum_id,
            code_hmac=_code_hmac(challenge_id, recovery, code),
            sent_at=now,
            expires_at=now + _LIFE,
        )
        enqueue(
            recovery.organization,
            kind=MessageKind.CODE,
            to=None if silent else destination.address,
            language=recovery.language,
            context={"code": f"{code[:4]} {code[4:]}", "minutes": _LIFE // timedelta(minutes=1)},
            now=now,
            tracking_id=recovery.id,
            expires_in=_LIFE,
            discard=silent,
        )
        audit(recovery, Activity.RECOVERY_CODE_SENT, Result.SUCCESS, now, method=METHOD.name)
    return challenge


def latest(recovery: Recovery) -> Challenge | None:
    """The newest code of this recovery: the only one that counts."""
    return Challenge.objects.filter(recovery=recovery, method=METHOD.name).order_by("-sent_at", "-id").first()


def try_code(recovery: Recovery, challenge: Challenge, typed: str, client: Client, now: datetime) -> Recovery:
    """``challenge``: the latest of this recovery. The recovery with its gate opened. Raises CodeRefused or Blocked.

    The order matters: every budget is spent, and the code's own try taken, before anything is compared, so that
    parallel tries cannot pass; and the code is marked as used by a conditional update, so that two right ones open
    one gate.
    """
    spent = gates.spend_proof(recovery, METHOD.name, client, now)
    if not _take_try(challenge, now):
        raise CodeRefused(0)
    right = hmac.compare_digest(bytes(challenge.code_hmac), _code_hmac(challenge.id, recovery, typed))
    # A code that was never sent to a mailbox on file proves nothing, however it was guessed.
    if not (right and spent.allowed and challenge.datum_id is not None):
        gates.failed_proof(recovery, METHOD.name, spent, now)
        raise CodeRefused(max(0, challenge.tries_left - 1))
    with transaction.atomic():
        if not Challenge.objects.filter(id=challenge.id, used_at=None).update(used_at=now):
            raise CodeRefused(0)
        opened = gates.open_gate(recovery, challenge.method, now)
    gates.clear_proof(recovery, METHOD.name, client)
    return opened


def _take_try(challenge: Challenge, now: datetime) -> bool:
    alive = Challenge.objects.filter(id=challenge.id, used_at=None, expires_at__gt=now, tries_left__gt=0)
    return alive.update(tries_left=F("tries_left") - 1) == 1


def _code_hmac(challenge_id: UUID, recovery: Recovery, code: str) -> bytes:
    digest: bytes = settings.KEYRING.people_hmac(
        "email code", str(challenge_id), str(recovery.id), *account(recovery), code
    )
    return digest


def _destination(recovery: Recovery) -> _Destination:
    """The first mailbox on file. It never comes from the browser."""
    for datum, address in mails_of(person_or_nobody(recovery)):
        return _Destination(datum.id, address, bytes(datum.value_index).hex())
    # As long as it takes to open an address, so that the clock does not tell who has one.
    open_value(recovery.organization_id, _NOBODY, "mail", _nobodys_mail(recovery.organization_id))
    return _Destination(None, None, typed_key(recovery))


@cache
def _nobodys_mail(organization_id: UUID) -> str:
    return seal_value(organization_id, _NOBODY, "mail", "nobody@invalid")


def _sends(client: Client, key: str) -> list[tuple[Budget, tuple[str, ...]]]:
    counted: list[tuple[Budget, tuple[str, ...]]] = [(CODES_SENT, (key, METHOD.name, client.key))]
    if client.kind == "block":
        counted.append((CODES_SENT_POOL, (key, METHOD.name)))
    return counted
