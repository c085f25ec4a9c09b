"""Registered methods: put on file, read, taken off. Everything here is an audit entry of its own, and is mailed to the
person, so that whoever adds a way in for themselves cannot hide it."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from keyback.errors import KeybackError
from keyback.portal.audit.words import Activity, Result
from keyback.portal.audit.writer import write
from keyback.portal.people.contacts import place_of
from keyback.portal.people.models import Person
from keyback.portal.securityinfo.models import RegisteredMethod
from keyback.portal.securityinfo.notices import tell
from keyback.portal.vault import VaultMismatch, open_nobodys, open_value, seal_value
from keyback.protocol.encoding import canonical_json

__all__ = ["Registered", "Taken", "TooMany", "add", "find", "held", "on_file", "remove", "rows_of"]

_log = logging.getLogger(__name__)


class TooMany(KeybackError):
    """The person has as many of this method as there may be."""

    code = "too_many"


class Taken(KeybackError):
    """One thing is one person's, and only once."""

    code = "taken"


@dataclass(frozen=True, slots=True)
class Registered:
    """``secret``: what the method needs to check a proof. ``opens_from``: before that it opens no gate."""

    row: RegisteredMethod
    opens_from: datetime
    secret: Mapping[str, Any] = field(repr=False)


def rows_of(person: Person, method: str) -> list[RegisteredMethod]:
    """Rows of one method, oldest first, unopened."""
    rows = RegisteredMethod.objects.filter(organization_id=person.organization_id, person=person, method=method)
    return list(rows.order_by("created_at", "id"))


def on_file(person: Person, method: str) -> list[Registered]:
    """Everything of one method, oldest first, also what may not open a gate yet. What is not what it was when it was
    registered, by its row or by its person, counts as missing."""
    rows = rows_of(person, method)
    if not rows:
        _open_nobodys(person, method)
    return [found for row in rows if (found := _opened(person, row)) is not None]


def held(person: Person, method: str, now: datetime) -> list[Registered]:
    """What of :func:`on_file` may open a gate at ``now``."""
    return [found for found in on_file(person, method) if found.opens_from <= now]


def find(person: Person, method: str, lookup: bytes, now: datetime) -> Registered | None:
    """The one that ``lookup`` names, if it is this person's and may open a gate at ``now``."""
    mine = {"organization_id": person.organization_id, "person": person, "method": method}
    row = RegisteredMethod.objects.filter(**mine, lookup=lookup).first()
    if row is None:
        _open_nobodys(person, method)
        return None
    found = _opened(person, row)
    return found if found is not None and found.opens_from <= now else None


def add(
    person: Person,
    method: str,
    *,
    label: str,
    secret: Mapping[str, Any],
    most: int,
    by: str,
    now: datetime,
    opens_from: datetime | None = None,
    lookup: bytes | None = None,
    counter: int = 0,
    drift: int = 0,
    tracking_id: UUID | None = None,
) -> RegisteredMethod:
    """Puts it on file. ``most``: how many of this method one person may have. ``opens_from``: see
    :func:`keyback.portal.securityinfo.rules.opening`; None is now. Raises TooMany, and Taken where ``lookup`` is on
    file already."""
    row_id = uuid.uuid4()
    with transaction.atomic():
        # The person's row is what two simultaneous registrations wait for.
        Person.objects.select_for_update(no_key=True).get(pk=person.pk)
        if len(rows_of(person, method)) >= most:
            raise TooMany(f"there are {most} already")
        if lookup and RegisteredMethod.objects.filter(organization_id=person.organization_id, lookup=lookup).exists():
            raise Taken("this very thing is registered already")
        row = RegisteredMethod.objects.create(
            id=row_id,
            organization_id=person.organization_id,
            person=person,
            method=method,
            label=label,
            sealed=_sealed(person, method, row_id, secret, opens_from or now),
            lookup=lookup,
            counter=counter,
            drift=drift,
            created_at=now,
        )
        _audit(Activity.SECURITY_INFO_ADDED, row, by=by, now=now, tracking_id=tracking_id)
        tell(person, "added", method, now, opens_from=opens_from, tracking_id=tracking_id)
    return row


def remove(row: RegisteredMethod, *, by: str, now: datetime, tracking_id: UUID | None = None) -> None:
    """Takes it off file for good."""
    with transaction.atomic():
        RegisteredMethod.objects.filter(pk=row.pk).delete()
        _audit(Activity.SECURITY_INFO_REMOVED, row, by=by, now=now, tracking_id=tracking_id)
        tell(row.person, "removed", row.method, now, tracking_id=tracking_id)


def _audit(activity: Activity, row: RegisteredMethod, *, by: str, now: datetime, tracking_id: UUID | None) -> None:
    write(
        row.organization_id,
        activity,
        result=Result.SUCCESS,
        actor=by,
        now=now,
        tracking_id=tracking_id,
        details={"method": row.method, "entry": str(row.pk), "person": str(row.person_id)},
        personal={"label": row.label},
    )


def _sealed(person: Person, method: str, row_id: UUID, secret: Mapping[str, Any], opens_from: datetime) -> str:
    content = canonical_json({"opens_from": opens_from.isoformat(), "secret": dict(secret)}).decode("ascii")
    return seal_value(person.organization_id, place_of(person), f"{method}:{row_id}", content)


def _opened(person: Person, row: RegisteredMethod) -> Registered | None:
    try:
        content = json.loads(open_value(row.organization_id, place_of(person), f"{row.method}:{row.pk}", row.sealed))
    except VaultMismatch:
        _log.error("registered method %s was not written by this portal for this person; it is left out", row.pk)
        return None
    return Registered(row, datetime.fromisoformat(content["opens_from"]), content["secret"])


def _open_nobodys(person: Person, method: str) -> None:
    """As long as it takes with a row on file, so that the clock does not tell who has one."""
    RegisteredMethod(organization_id=person.organization_id)
    open_nobodys(person.organization_id, method, "nobody")
