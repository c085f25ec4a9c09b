"""Codes by telephone. The person types the number first, and it must be the one on file; whatever is not looks the
same."""

from __future__ import annotations

import hmac
from dataclasses import replace
from datetime import datetime, timedelta

from keyback.portal.limits.budgets import PHONE_VALIDATIONS, PHONE_VALIDATIONS_POOL, Budget
from keyback.portal.limits.clients import Client
from keyback.portal.messages.models import Channel
from keyback.portal.methods import sending
from keyback.portal.methods.phone import PhoneMethod
from keyback.portal.people.contacts import index_of, phones_of, usable
from keyback.portal.recovery.models import Challenge, Recovery
from keyback.portal.recovery.subjects import person_or_nobody, typed_key

__all__ = ["DIGITS", "send", "way_of", "words"]

DIGITS = 6


def _guesses(client: Client, key: str) -> list[sending.Count]:
    """At a number, by whatever method: text message and call try the same one."""
    counted: list[sending.Count] = [(PHONE_VALIDATIONS, (key, client.key))]
    if client.kind == "block":
        counted.append((PHONE_VALIDATIONS_POOL, (key,)))
    return counted


_WAY = sending.Way(
    channel=Channel.SMS,
    # A telephone must not ring all day, whoever asks from wherever; and each message costs the organization money.
    to_one_destination=Budget("messages_to_one_number", 10, timedelta(hours=1)),
    by_one_client=Budget("phone_messages_by_one_client", 20, timedelta(hours=1)),
    for_one_organization=Budget("phone_messages_for_one_organization", 300, timedelta(minutes=10)),
    guesses=_guesses,
)


def way_of(method: PhoneMethod) -> sending.Way:
    return replace(_WAY, channel=method.channel)


def words(code: str) -> dict[str, str]:
    """The code as a text message shows it, and as a voice reads it: digits one by one where they stand apart."""
    return {"code": f"{code[:3]} {code[3:]}", "digits": ", ".join(code)}


def send(method: PhoneMethod, recovery: Recovery, typed: str, client: Client, now: datetime) -> Challenge:
    """Makes a code, which replaces earlier ones of this method, and queues it. ``typed``: the number, normalised; one
    that is not on file acts silently. Raises Blocked."""
    code = sending.new_code(DIGITS)
    return sending.send(
        way_of(method),
        method.name,
        recovery,
        client,
        now,
        find=lambda: _destination(method, recovery, typed, now),
        code=code,
        words={**words(code), "press": "yes" if method.asks_for_key() else ""},
    )


def _destination(method: PhoneMethod, recovery: Recovery, typed: str, now: datetime) -> sending.Destination:
    """The number on file, where it is the typed one. All of them are compared, and nobody's where there is none, so
    that the clock does not tell who has one."""
    found = sending.Destination(None, None, f"nobody:{typed_key(recovery)}")
    asked = _index(recovery, method, typed)
    on_file = usable(phones_of(person_or_nobody(recovery), method.kind), now)
    for datum, number in on_file:
        if hmac.compare_digest(_index(recovery, method, number), asked):
            # The same for text messages and calls: it is one telephone that must not be drowned.
            found = sending.Destination(datum.id, number, bytes(datum.value_index).hex())
    if not on_file:
        nobodys = sending.open_nobodys(recovery.organization_id, "phone", "+0 0000000000")
        hmac.compare_digest(_index(recovery, method, nobodys), asked)
    return found


def _index(recovery: Recovery, method: PhoneMethod, number: str) -> bytes:
    return index_of(recovery.organization_id, method.kind.value, number)
