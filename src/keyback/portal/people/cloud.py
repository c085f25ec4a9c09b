"""People whose password lives here: Argon2id (RFC 9106, the library's low-memory profile), and the rules for choosing
it."""

from __future__ import annotations

import logging
import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from django.conf import settings
from django.db import transaction

from keyback.password_settings import breached_of, profile_of
from keyback.passwords import Code, DirectoryPolicy, Finding, PersonNames, Profile, Rules, judge
from keyback.passwords.breached import BreachedDamaged
from keyback.passwords.ranges import RangeUnavailable
from keyback.passwords.rules import OF_WORDS, Breached
from keyback.portal.audit.words import Activity, Result
from keyback.portal.audit.writer import write
from keyback.portal.messages.queue import MessageKind, enqueue
from keyback.portal.organizations.banned import screening
from keyback.portal.people.contacts import mails_of
from keyback.portal.people.models import CloudPassword, FormerPassword, Person

__all__ = [
    "CLOUD_POLICY",
    "check_settings",
    "findings",
    "further_rules",
    "has_expired",
    "policy_of",
    "reset_by_admin",
    "set_password",
    "used_before",
    "verify_password",
]

CLOUD_POLICY = DirectoryPolicy(
    min_length=8,
    history=0,
    min_age=timedelta(0),
    max_age=None,
    complexity=True,
    lockout_threshold=0,
)

_PROFILE = Profile.of_directory(CLOUD_POLICY)
_log = logging.getLogger(__name__)
_hasher = PasswordHasher()


def findings(person: Person, password: str, current: str | None = None) -> list[Finding]:
    """Every rule that this password breaks and that counts; none when it may be set. ``current``: the one until now,
    where it is known."""
    names = PersonNames(
        person.account_name or person.user_id.partition("@")[0],
        person.display_name,
        person.given_name,
        person.surname,
        person.user_id,
        (person.organization.name,),
    )
    screen = screening(person.organization_id)
    banned = None if screen.mode == "off" else screen.banned
    found = list(judge(password, names, Rules(_PROFILE, banned, screen.strict)).findings)
    further = judge(password, names, Rules(further_rules()), current=current).findings
    found += [one for one in further if one not in found]
    if screen.mode != "off":
        found += _breaches(password)
    if screen.mode == "audit" and (broken := [one.code.value for one in found if one.code in OF_WORDS]):
        # Codes only: nothing of the password may stand in a log.
        _log.info("a password breaks rules that are only audited: %s", ", ".join(broken))
        found = [one for one in found if one.code not in OF_WORDS]
    return found


def _breaches(password: str) -> list[Finding]:
    source = _breached()
    try:
        return [Finding(Code.BREACHED)] if source is not None and password in source else []
    except (RangeUnavailable, BreachedDamaged) as error:
        _log.error("a password could not be held against breached ones: %s", error)
        return [Finding(Code.UNCHECKED)]


@cache
def further_rules() -> Profile:
    """What the portal's own file asks for beside `CLOUD_POLICY`. Raises ConfigurationError."""
    return profile_of(settings.CONFIG.passwords)


def check_settings() -> None:
    """Raises ConfigurationError for what the portal's own file names under [passwords] and cannot be used."""
    _breached()
    further_rules()


@cache
def _breached() -> Breached | None:
    """Raises BreachedDamaged."""
    return breached_of(settings.CONFIG.passwords)


def set_password(person: Person, password: str, now: datetime) -> None:
    """ValueError for a directory person: their password is never kept here, in no form."""
    if person.source != Person.Source.CLOUD:
        raise ValueError("the password of a directory person is not kept here")
    _remember(person, now)
    CloudPassword.objects.update_or_create(
        person=person,
        defaults={
            "organization_id": person.organization_id,
            "hash": _hasher.hash(password),
            "changed_at": now,
        },
    )


def _remember(person: Person, now: datetime) -> None:
    """What is replaced is kept as long as it may not come back."""
    row = CloudPassword.objects.filter(person=person).first()
    former = FormerPassword.objects.filter(person=person)
    if row is not None:
        FormerPassword.objects.create(organization_id=person.organization_id, person=person, hash=row.hash, until=now)
    kept = former.order_by("-until", "-id").values_list("id", flat=True)[: max(0, _history(person) - 1)]
    former.exclude(id__in=list(kept)).delete()


def _history(person: Person) -> int:
    return person.organization.cloud_history


def used_before(person: Person, password: str) -> bool:
    """Whether it is the current one, or one of those before that may not come back yet. One hash for each: only for
    who has proved who they are."""
    rows = CloudPassword.objects.filter(person=person).values_list("hash", flat=True)
    former = FormerPassword.objects.filter(person=person).order_by("-until", "-id").values_list("hash", flat=True)
    return any(_matches(known, password) for known in [*rows, *former][: _history(person)])


def _matches(known: str, password: str) -> bool:
    try:
        return _hasher.verify(known, password)
    except VerificationError:
        return False


def policy_of(person: Person) -> DirectoryPolicy:
    """The rules as the page shows them."""
    return replace(CLOUD_POLICY, history=_history(person))


def reset_by_admin(person: Person, password: str, *, by: str, now: datetime, tracking_id: UUID) -> None:
    """With audit, and mail to the person, like an administrator's reset in a directory."""
    with transaction.atomic():
        set_password(person, password, now)
        write(
            person.organization_id,
            Activity.PASSWORD_RESET_BY_ADMIN,
            result=Result.SUCCESS,
            actor=by,
            now=now,
            tracking_id=tracking_id,
            details={"person": str(person.id)},
        )
        for _datum, address in mails_of(person):
            enqueue(
                person.organization,
                kind=MessageKind.PASSWORD_CHANGED,
                to=address,
                language=person.language,
                context={"when": now.strftime("%Y-%m-%d %H:%M UTC"), "tracking_id": str(tracking_id)},
                now=now,
                tracking_id=tracking_id,
            )


def has_expired(person: Person, now: datetime) -> bool:
    """Whether it is older than the organization lets passwords become."""
    days = person.organization.cloud_max_age_days
    row = CloudPassword.objects.filter(person=person).first()
    return bool(days) and row is not None and now - row.changed_at > timedelta(days=days)


def verify_password(person: Person | None, password: str) -> bool:
    """The same work for nobody, and for somebody without a password, as for a wrong password."""
    row = CloudPassword.objects.filter(person_id=person.id if person else uuid.uuid4()).first()
    try:
        _hasher.verify(row.hash if row else _nobody(), password)
    except VerificationError:
        return False
    if row is not None and _hasher.check_needs_rehash(row.hash):
        # Only where it is still the same password: somebody may have set another one meanwhile.
        CloudPassword.objects.filter(pk=row.pk, hash=row.hash).update(hash=_hasher.hash(password))
    return row is not None


@cache
def _nobody() -> str:
    return _hasher.hash("nobody has this password")
