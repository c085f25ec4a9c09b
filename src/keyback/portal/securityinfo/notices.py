"""Mail to the person about a change of their security info."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from django.conf import settings
from django.utils import translation

from keyback.portal.messages.queue import MessageKind, enqueue
from keyback.portal.methods import installed
from keyback.portal.people.contacts import mails_of, normalise_mail, usable
from keyback.portal.people.models import Person

__all__ = ["tell"]


def tell(
    person: Person,
    what: Literal["added", "removed"],
    method: str,
    now: datetime,
    *,
    opens_from: datetime | None = None,
    tracking_id: UUID | None = None,
) -> None:
    """To every mailbox on file, and where none of them counts yet to the user ID, which often is a mailbox too: whoever
    knows a password must not be the only one to hear of what was added with it. ``method``: the name of its folder; the
    mail says what people call it."""
    with translation.override(person.language or settings.LANGUAGE_CODE):
        title = str(installed()[method].title)
    for address in _addresses(person, now):
        enqueue(
            person.organization,
            kind=MessageKind.SECURITY_INFO_CHANGED,
            to=address,
            language=person.language,
            context={
                "what": what,
                "title": title,
                "when": now.strftime("%Y-%m-%d %H:%M UTC"),
                "opens_from": opens_from.strftime("%Y-%m-%d %H:%M UTC") if opens_from and opens_from > now else "",
                "tracking_id": str(tracking_id or ""),
            },
            now=now,
            tracking_id=tracking_id,
        )


def _addresses(person: Person, now: datetime) -> list[str]:
    found = mails_of(person)
    last_resort = None if usable(found, now) else normalise_mail(person.user_id)
    addresses = [address for _datum, address in found]
    return addresses if last_resort is None else [*addresses, last_resort]
