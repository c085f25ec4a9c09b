"""What synchronisation changes about how a person is reached: it opens no gate for two days, and who was reached there
before is told. Whoever can write to a directory could otherwise take over every account in it within minutes."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings

from keyback.portal.audit.words import Activity, Result
from keyback.portal.audit.writer import write
from keyback.portal.limits.budgets import Blocked, Budget, spend_all
from keyback.portal.messages.models import Channel
from keyback.portal.messages.queue import MessageKind, enqueue
from keyback.portal.organizations.models import Organization
from keyback.portal.people.contacts import NewContact, index_of, mails_of, usable, value_of
from keyback.portal.people.models import ContactDatum, Person

__all__ = ["REST", "Changed", "between", "tell"]

REST = timedelta(hours=48)
"""How long changed contact data opens no gate."""

# Once while it rests, whatever is changed again; and a directory that is rearranged floods nobody's mail server.
TO_ONE_DESTINATION = Budget("contact_change_told", 1, REST)
FOR_ONE_ORGANIZATION = Budget("contact_changes_told", 300, timedelta(hours=1))

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Changed:
    """``before``: what was on file of this kind and is no more; empty where nothing was."""

    person: Person
    kind: str
    before: tuple[str, ...]


def between(people: Mapping[UUID, Person], gone: Sequence[ContactDatum], new: Sequence[NewContact]) -> list[Changed]:
    """What is really different for people who were here before: not what only moved. ``people``: those, by primary
    key."""

    def place(row: ContactDatum | NewContact) -> tuple[UUID, str, bytes]:
        return row.person_id, row.kind, bytes(row.value_index)

    moved = {place(row) for row in gone} & {place(row) for row in new}
    before: dict[tuple[UUID, str], list[str]] = {}
    for row in gone:
        if place(row) not in moved:
            values = before.setdefault((row.person_id, row.kind), [])
            if (value := value_of(people[row.person_id], row)) is not None:
                values.append(value)
    for added in new:
        if place(added) not in moved:
            before.setdefault((added.person_id, added.kind), [])
    return [Changed(people[pk], kind, tuple(values)) for (pk, kind), values in before.items()]


def tell(organization: Organization, changes: list[Changed], now: datetime) -> None:
    """In the caller's transaction: to the destinations of before, and where there is none that a message reaches, to
    the mailboxes that stay. Audited for each person."""
    more = True
    for change in changes:
        person = change.person
        write(
            person.organization_id,
            Activity.PERSON_CONTACT_CHANGED,
            result=Result.SUCCESS,
            actor="system",
            now=now,
            details={"kind": change.kind, "person": str(person.id), "before": len(change.before)},
        )
        channel = _channel(change.kind)
        where = [(channel, change.kind, value) for value in change.before] if channel else []
        where = where or [
            (Channel.MAIL, ContactDatum.Kind.MAIL.value, value) for _, value in usable(mails_of(person), now)
        ]
        for one in where:
            more = more and _told(organization, change, one, now)


def _channel(kind: str) -> Channel | None:
    """None for what cannot be told anything without calling somebody."""
    if kind == ContactDatum.Kind.MAIL:
        return Channel.MAIL
    return Channel.SMS if kind == ContactDatum.Kind.MOBILE and settings.CONFIG.sms is not None else None


def _told(organization: Organization, change: Changed, where: tuple[Channel, str, str], now: datetime) -> bool:
    """False when no more is told of this organization."""
    channel, kind, value = where
    key = index_of(organization.id, kind, value).hex()
    tries: list[tuple[Budget, tuple[str, ...]]] = [
        (TO_ONE_DESTINATION, (key,)),
        (FOR_ONE_ORGANIZATION, (str(organization.id),)),
    ]
    try:
        spend_all(organization.id, *tries, now=now)
    except Blocked as blocked:
        if blocked.budget == FOR_ONE_ORGANIZATION.name:
            _log.warning("so much contact data changed that not everybody is told")
            return False
        return True
    enqueue(
        organization,
        kind=MessageKind.CONTACT_CHANGED,
        channel=channel,
        to=value,
        language=change.person.language,
        context={"what": change.kind, "hours": REST // timedelta(hours=1)},
        now=now,
    )
    return True
