"""Codes by e-mail. Unknown people get the same rows, and a message that is never sent."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

from django.db import transaction

from keyback.portal.audit.words import Activity, Result
from keyback.portal.limits.budgets import Blocked, Budget, spend_all
from keyback.portal.limits.clients import Client
from keyback.portal.messages.queue import MessageKind, enqueue
from keyback.portal.methods.codes import LIFE, CodeRefused, code_hmac, sends, try_code
from keyback.portal.methods.email.method import METHOD
from keyback.portal.people.contacts import mails_of
from keyback.portal.recovery.models import Challenge, Recovery
from keyback.portal.recovery.subjects import audit, person_or_nobody, subject, typed_key
from keyback.portal.vault import open_value, seal_value

__all__ = ["DIGITS", "CodeRefused", "send", "try_code"]

DIGITS = 8
_NOBODY = UUID(int=0)
# A mailbox must not drown, whoever asks from wherever: Microsoft's ten mails in ten minutes.
TO_ONE_MAILBOX = Budget("mails_to_one_mailbox", 10, timedelta(minutes=10))
BY_ONE_CLIENT = Budget("mails_by_one_client", 30, timedelta(hours=1))
FOR_ONE_ORGANIZATION = Budget("mails_for_one_organization", 600, timedelta(minutes=10))


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
    told = [*sends(client, typed_key(recovery), METHOD.name), (FOR_ONE_ORGANIZATION, (str(organization_id),))]
    if client.kind != "office":  # hundreds of people share its address
        told.insert(0, (BY_ONE_CLIENT, (client.key,)))
    spend_all(organization_id, *told, now=now)
    destination = _destination(recovery)
    silent = destination.address is None
    try:
        personal = sends(client, subject(recovery), METHOD.name)
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
            code_hmac=code_hmac(challenge_id, recovery, METHOD.name, code),
            sent_at=now,
            expires_at=now + LIFE,
        )
        enqueue(
            recovery.organization,
            kind=MessageKind.CODE,
            to=None if silent else destination.address,
            language=recovery.language,
            context={"code": f"{code[:4]} {code[4:]}", "minutes": LIFE // timedelta(minutes=1)},
            now=now,
            tracking_id=recovery.id,
            expires_in=LIFE,
            discard=silent,
        )
        audit(recovery, Activity.RECOVERY_CODE_SENT, Result.SUCCESS, now, method=METHOD.name)
    return challenge


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
