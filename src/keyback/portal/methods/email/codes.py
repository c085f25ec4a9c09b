"""Codes by e-mail, to the first mailbox on file."""

from __future__ import annotations

from datetime import datetime, timedelta

from keyback.portal.limits.budgets import Budget
from keyback.portal.limits.clients import Client
from keyback.portal.messages.models import Channel
from keyback.portal.methods import sending
from keyback.portal.methods.codes import CodeRefused, try_code
from keyback.portal.methods.email.method import METHOD
from keyback.portal.people.mailboxes import opening_mails
from keyback.portal.recovery.models import Challenge, Recovery
from keyback.portal.recovery.subjects import person_or_nobody, typed_key

__all__ = ["DIGITS", "WAY", "CodeRefused", "send", "try_code", "words"]

DIGITS = 8
WAY = sending.Way(
    channel=Channel.MAIL,
    # A mailbox must not drown, whoever asks from wherever: Microsoft's ten mails in ten minutes.
    to_one_destination=Budget("mails_to_one_mailbox", 10, timedelta(minutes=10)),
    by_one_client=Budget("mails_by_one_client", 30, timedelta(hours=1)),
    for_one_organization=Budget("mails_for_one_organization", 600, timedelta(minutes=10)),
)


def words(code: str) -> dict[str, str]:
    """The code as the mail shows it."""
    return {"code": f"{code[:4]} {code[4:]}"}


def send(recovery: Recovery, client: Client, now: datetime) -> Challenge:
    """Makes a code, which replaces earlier ones, and queues its mail. Raises Blocked."""
    code = sending.new_code(DIGITS)
    return sending.send(
        WAY, METHOD.name, recovery, client, now, find=lambda: _destination(recovery, now), code=code, words=words(code)
    )


def _destination(recovery: Recovery, now: datetime) -> sending.Destination:
    """It never comes from the browser."""
    for datum, address in opening_mails(person_or_nobody(recovery), now):
        return sending.Destination(datum.id, address, bytes(datum.value_index).hex())
    sending.open_nobodys(recovery.organization_id, "mail", "nobody@invalid")
    return sending.Destination(None, None, typed_key(recovery))
