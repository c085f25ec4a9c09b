"""Codes on their way: counted, written and handed to the workers. Whoever is unknown, or has nothing on file, gets the
same rows, and a message that is never sent."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from keyback.portal import vault
from keyback.portal.audit.words import Activity, Result
from keyback.portal.limits.budgets import CODES_SENT, CODES_SENT_POOL, Blocked, Budget, spend_all
from keyback.portal.limits.clients import Client, counting
from keyback.portal.messages.models import Channel
from keyback.portal.messages.queue import MessageKind, enqueue
from keyback.portal.methods.codes import LIFE, code_hmac
from keyback.portal.people.models import ContactDatum
from keyback.portal.recovery.models import Challenge, Recovery
from keyback.portal.recovery.subjects import audit, subject, typed_key

__all__ = ["Count", "Destination", "Way", "new_code", "open_nobodys", "send"]

Count = tuple[Budget, tuple[str, ...]]
"""A budget, and what it counts."""


@dataclass(frozen=True, slots=True)
class Destination:
    """What is on file; no ``datum_id`` and no ``address`` where nothing is. ``key``: what its own budget counts."""

    datum_id: UUID | None
    address: str | None
    key: str


@dataclass(frozen=True, slots=True)
class Way:
    """How codes of one kind of method travel, and how often they may, beside what counts for the person. ``guesses``:
    what one try counts for where the person types the destination."""

    channel: Channel
    to_one_destination: Budget
    by_one_client: Budget
    for_one_organization: Budget
    guesses: Callable[[Client, str], list[Count]] = lambda client, key: []


def send(
    way: Way,
    method: str,
    recovery: Recovery,
    client: Client,
    now: datetime,
    *,
    find: Callable[[], Destination],
    code: str,
    words: Mapping[str, str],
) -> Challenge:
    """Replaces earlier codes of this method, and queues the message. ``words``: the code as its text shows it.
    ``find``: looks up what is on file. Raises Blocked for what everybody may know.

    What is counted for the person and for the destination acts silently: the page stays the same, and nothing is sent.
    """
    organization_id = recovery.organization_id
    spend_all(organization_id, *_told(way, method, recovery, client), now=now)
    destination = find()
    silent = destination.address is None
    try:
        personal = _counted(way, method, counting(client, recovery.organization.limit_profile), subject(recovery))
        spend_all(organization_id, *personal, (way.to_one_destination, _apart(client, destination.key)), now=now)
    except Blocked:
        silent = True
    challenge_id = uuid.uuid4()
    with transaction.atomic():
        message = enqueue(
            recovery.organization,
            kind=MessageKind.CODE,
            channel=way.channel,
            to=None if silent else destination.address,
            language=recovery.language,
            context={**words, "minutes": LIFE // timedelta(minutes=1)},
            now=now,
            tracking_id=recovery.id,
            expires_in=LIFE,
            discard=silent,
        )
        challenge = Challenge.objects.create(
            id=challenge_id,
            organization_id=organization_id,
            recovery=recovery,
            method=method,
            datum_id=None if silent else destination.datum_id,
            code_hmac=code_hmac(challenge_id, recovery, method, code),
            sent_at=now,
            expires_at=now + LIFE,
            message_id=message.pk,
        )
        audit(recovery, Activity.RECOVERY_CODE_SENT, Result.SUCCESS, now, method=method)
    return challenge


def _told(way: Way, method: str, recovery: Recovery, client: Client) -> list[Count]:
    """What may be refused before the person is looked up. One order everywhere, so that no two wait for each other."""
    told = _counted(way, method, counting(client, recovery.organization.limit_profile), typed_key(recovery))
    told.append((way.for_one_organization, _apart(client, str(recovery.organization_id))))
    if client.kind != "office":  # hundreds of people share its address
        told.insert(0, (way.by_one_client, (client.key,)))
    return told


def _apart(client: Client, key: str) -> tuple[str, ...]:
    """What all share is shared by strangers: however many addresses they ask from, a browser that helped this person
    before has its own share of it, and gets its code."""
    return (key, client.key) if client.kind == "device" else (key,)


def _counted(way: Way, method: str, client: Client, key: str) -> list[Count]:
    """What one code sent counts for: ``key`` is the text as typed, or the person."""
    counted = [*way.guesses(client, key), (CODES_SENT, (key, method, client.key))]
    if client.kind == "block":
        counted.append((CODES_SENT_POOL, (key, method)))
    return counted


def new_code(digits: int) -> str:
    return f"{secrets.randbelow(10**digits):0{digits}d}"


def open_nobodys(organization_id: UUID, field: str, value: str) -> str:
    """Makes a row and opens a value that belong to nobody: as long as it takes with somebody's, so that the clock does
    not tell who has one."""
    ContactDatum(organization_id=organization_id)
    return vault.open_nobodys(organization_id, field, value)
