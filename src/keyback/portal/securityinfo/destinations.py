"""New addresses and numbers: on file only once a code that was sent there has come back."""

from __future__ import annotations

import hmac
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from django.conf import settings
from django.http import HttpRequest

from keyback.errors import KeybackError
from keyback.portal.limits.budgets import Blocked, Budget, spend, spend_all
from keyback.portal.limits.clients import client_of
from keyback.portal.messages.models import Channel
from keyback.portal.messages.queue import MessageKind, enqueue
from keyback.portal.people.contacts import index_of
from keyback.portal.people.models import ContactDatum, Person
from keyback.portal.securityinfo import entries
from keyback.portal.securityinfo.enrolling import Enrolment, keep, kept
from keyback.portal.securityinfo.notices import tell

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as StrPromise

    from keyback.portal.methods.sending import Count, Way

__all__ = ["Destination", "Pending", "WrongCode", "begin", "complete", "pending_of"]

_LIFE = timedelta(minutes=5)
TRIES = Budget("tries_of_a_new_destination", 5, timedelta(hours=1))
NEW_ONES = Budget("new_destinations", 10, timedelta(hours=24))


class Add(Protocol):
    def __call__(
        self, person: Person, value: str, /, *, origin: str, by: str, now: datetime, opens_from: datetime
    ) -> ContactDatum: ...


@dataclass(frozen=True, slots=True)
class Destination:
    """What can be put on file by one method. ``normalise``: its one spelling, or None. ``words``: the code as its text
    shows it. ``mask``: half hidden. ``field``: name and id of the field in which it is typed."""

    method: str
    kind: ContactDatum.Kind
    channel: Channel
    way: Way
    new_code: Callable[[], str]
    words: Callable[[str], Mapping[str, str]]
    normalise: Callable[[Person, str], str | None]
    mask: Callable[[str], str]
    add: Add
    field: str
    question: StrPromise
    label: StrPromise
    hint: StrPromise
    unusable: StrPromise
    sent: StrPromise


@dataclass(frozen=True, slots=True)
class Pending:
    """A code on its way. ``replaces``: the entry that goes when this one comes."""

    challenge: str
    value: str
    digest: str
    sent_at: datetime
    replaces: str


class WrongCode(KeybackError):
    """Wrong, too old or used up."""

    code = "wrong_code"


def begin(
    request: HttpRequest, enrolment: Enrolment, what: Destination, value: str, *, replaces: str, now: datetime
) -> None:
    """Sends a code there. Raises Blocked."""
    person, client = enrolment.person, client_of(request, enrolment.person.id)
    key = index_of(person.organization_id, what.kind.value, value).hex()
    counted: list[Count] = [
        (NEW_ONES, (str(person.id),)),
        (what.way.for_one_organization, (str(person.organization_id),)),
        (what.way.to_one_destination, (key,)),
    ]
    if client.kind != "office":  # hundreds of people share its address
        counted.insert(0, (what.way.by_one_client, (client.key,)))
    spend_all(person.organization_id, *counted, now=now)
    code, challenge = what.new_code(), str(uuid.uuid4())
    pending = {
        "challenge": challenge,
        "value": value,
        "digest": _digest(person, what, challenge, value, code),
        "sent_at": now.isoformat(),
        "replaces": replaces,
    }
    keep(request, enrolment, json.dumps(pending))
    enqueue(
        person.organization,
        kind=MessageKind.CODE,
        channel=what.channel,
        to=value,
        language=person.language,
        context={**what.words(code), "minutes": _LIFE // timedelta(minutes=1), "registering": "yes"},
        now=now,
        tracking_id=enrolment.tracking_id,
    )


def pending_of(request: HttpRequest, enrolment: Enrolment) -> Pending | None:
    found = kept(request, enrolment)
    if found is None:
        return None
    values = json.loads(found)
    return Pending(**{**values, "sent_at": datetime.fromisoformat(values["sent_at"])})


def complete(request: HttpRequest, enrolment: Enrolment, what: Destination, typed: str, now: datetime) -> None:
    """Puts it on file, with audit and mail. Raises WrongCode."""
    person, pending = enrolment.person, pending_of(request, enrolment)
    if pending is None or now - pending.sent_at > _LIFE:
        raise WrongCode("there is no code that still works")
    try:
        spend(person.organization_id, TRIES, pending.challenge, now=now)
    except Blocked:
        raise WrongCode("this code was tried too often") from None
    if not hmac.compare_digest(_digest(person, what, pending.challenge, pending.value, typed), pending.digest):
        raise WrongCode("not the code")
    kept(request, enrolment, forget=True)
    tracking_id = enrolment.tracking_id
    before = {datum.pk for datum in ContactDatum.objects.filter(person=person, kind=what.kind)}
    row = what.add(
        person,
        pending.value,
        origin=ContactDatum.Origin.REGISTERED.value,
        by="self",
        now=now,
        opens_from=enrolment.opens_from,
    )
    if row.pk in before:
        return
    tell(person, "added", what.method, now, opens_from=enrolment.opens_from, tracking_id=tracking_id)
    if pending.replaces:
        entries.remove(person, uuid.UUID(pending.replaces), by="self", now=now, tracking_id=tracking_id)


def _digest(person: Person, what: Destination, challenge: str, value: str, code: str) -> str:
    """Bound to the person and to what it is about: the code for one address is none for another."""
    digest: bytes = settings.KEYRING.people_hmac(
        "new destination", challenge, str(person.id), what.kind.value, value, code
    )
    return digest.hex()
