"""Codes by telephone. The person types the number first, and it must be the one on file; whatever is not looks the
same: the same rows, and a message that is never sent."""

from __future__ import annotations

import hmac
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

from django.db import transaction

from keyback.portal.audit.words import Activity, Result
from keyback.portal.limits.budgets import PHONE_VALIDATIONS, PHONE_VALIDATIONS_POOL, Blocked, Budget, spend_all
from keyback.portal.limits.clients import Client
from keyback.portal.messages.queue import MessageKind, enqueue
from keyback.portal.methods.codes import LIFE, code_hmac, sends
from keyback.portal.methods.phone import PhoneMethod
from keyback.portal.people.contacts import index_of, phones_of
from keyback.portal.recovery.models import Challenge, Recovery
from keyback.portal.recovery.subjects import audit, person_or_nobody, subject, typed_key
from keyback.portal.vault import open_value, seal_value

__all__ = ["DIGITS", "send"]

DIGITS = 6
_NOBODY = UUID(int=0)
# A telephone must not ring all day, whoever asks from wherever; and each message costs the organization money.
TO_ONE_NUMBER = Budget("messages_to_one_number", 10, timedelta(hours=1))
BY_ONE_CLIENT = Budget("phone_messages_by_one_client", 20, timedelta(hours=1))
FOR_ONE_ORGANIZATION = Budget("phone_messages_for_one_organization", 300, timedelta(minutes=10))


@dataclass(frozen=True, slots=True)
class _Destination:
    datum_id: UUID | None
    number: str | None
    key: str


def send(method: PhoneMethod, recovery: Recovery, typed: str, client: Client, now: datetime) -> Challenge:
    """Makes a code, which replaces earlier ones of this method, and queues it. ``typed``: the number, normalised.
    Raises Blocked for what everybody may know.

    What is counted for the person and for the telephone acts silently, and so does a number that is not on file.
    """
    organization_id = recovery.organization_id
    told = [
        *_validations(client, typed_key(recovery)),
        *sends(client, typed_key(recovery), method.name),
        (FOR_ONE_ORGANIZATION, (str(organization_id),)),
    ]
    if client.kind != "office":  # hundreds of people share its address
        told.insert(0, (BY_ONE_CLIENT, (client.key,)))
    spend_all(organization_id, *told, now=now)
    destination = _destination(method, recovery, typed)
    silent = destination.number is None
    try:
        key = subject(recovery)
        personal = [*_validations(client, key), *sends(client, key, method.name)]
        spend_all(organization_id, *personal, (TO_ONE_NUMBER, (destination.key,)), now=now)
    except Blocked:
        silent = True
    code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}d}"
    challenge_id = uuid.uuid4()
    with transaction.atomic():
        challenge = Challenge.objects.create(
            id=challenge_id,
            organization_id=organization_id,
            recovery=recovery,
            method=method.name,
            datum_id=None if silent else destination.datum_id,
            code_hmac=code_hmac(challenge_id, recovery, method.name, code),
            sent_at=now,
            expires_at=now + LIFE,
        )
        enqueue(
            recovery.organization,
            kind=MessageKind.CODE,
            channel=method.channel,
            to=None if silent else destination.number,
            language=recovery.language,
            # A voice reads digits one by one where they stand apart.
            context={
                "code": f"{code[:3]} {code[3:]}",
                "digits": ", ".join(code),
                "minutes": LIFE // timedelta(minutes=1),
            },
            now=now,
            tracking_id=recovery.id,
            expires_in=LIFE,
            discard=silent,
        )
        audit(recovery, Activity.RECOVERY_CODE_SENT, Result.SUCCESS, now, method=method.name)
    return challenge


def _destination(method: PhoneMethod, recovery: Recovery, typed: str) -> _Destination:
    """The number on file, where it is the typed one. All of them are compared, and nobody's where there is none, so
    that the clock does not tell who has one."""
    found = _Destination(None, None, f"nobody:{typed_key(recovery)}")
    asked = _index(recovery, method, typed)
    on_file = phones_of(person_or_nobody(recovery), method.kind)
    for datum, number in on_file:
        if hmac.compare_digest(_index(recovery, method, number), asked):
            # The same for text messages and calls: it is one telephone that must not be drowned.
            found = _Destination(datum.id, number, bytes(datum.value_index).hex())
    if not on_file:
        nobodys = open_value(recovery.organization_id, _NOBODY, "phone", _nobodys_phone(recovery.organization_id))
        hmac.compare_digest(_index(recovery, method, nobodys), asked)
    return found


def _index(recovery: Recovery, method: PhoneMethod, number: str) -> bytes:
    return index_of(recovery.organization_id, method.kind.value, number)


@cache
def _nobodys_phone(organization_id: UUID) -> str:
    return seal_value(organization_id, _NOBODY, "phone", "+0 0000000000")


def _validations(client: Client, key: str) -> list[tuple[Budget, tuple[str, ...]]]:
    """Guesses at a number, by whatever method: text message and call try the same one."""
    counted: list[tuple[Budget, tuple[str, ...]]] = [(PHONE_VALIDATIONS, (key, client.key))]
    if client.kind == "block":
        counted.append((PHONE_VALIDATIONS_POOL, (key,)))
    return counted
