"""One try to sign in: whose user ID it is, and whether the password is theirs. Known or not, the same is done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest

from keyback.errors import KeybackError
from keyback.portal.account import lockout
from keyback.portal.account.kinds import Kind, kind_of
from keyback.portal.audit.words import Activity, Result
from keyback.portal.audit.writer import write
from keyback.portal.limits.budgets import Blocked
from keyback.portal.limits.clients import Client, client_of
from keyback.portal.middleware import tracking_id_of
from keyback.portal.organizations.lookup import normalise_user_id, resolve
from keyback.portal.organizations.models import Organization
from keyback.portal.people import cloud
from keyback.portal.people.models import Person
from keyback.portal.vault import VaultMismatch, open_value, seal_value

__all__ = [
    "Attempt",
    "WrongPassword",
    "attempt_of",
    "begin",
    "client_for",
    "forget",
    "note",
    "noted",
    "only_elsewhere",
    "prove_cloud",
]

_KEY = "sign_in"
_NOBODY = UUID(int=0)


class WrongPassword(KeybackError):
    """User ID and password do not belong together, whichever of the two is wrong."""

    code = "wrong_password"


@dataclass(frozen=True, slots=True)
class Attempt:
    """``user_id``: as typed, normalised. ``next``: where the person wanted to go."""

    organization: Organization
    person: Person | None
    user_id: str
    next: str

    @property
    def typed(self) -> str:
        digest: bytes = settings.KEYRING.code_hmac("typed user id", str(self.organization.id), self.user_id)
        return digest.hex()

    @property
    def subject(self) -> str:
        return f"nobody:{self.typed}" if self.person is None else str(self.person.id)


def begin(request: HttpRequest, typed: str, next_path: str) -> Attempt:
    """Remembers, encrypted, who wants to sign in. Raises ValueError for what is no user ID, and NoOrganization."""
    user_id = normalise_user_id(typed)
    organization, person = resolve(user_id)
    request.session[_KEY] = {"user_id": seal_value(_NOBODY, "session", "user_id", user_id), "next": next_path}
    return Attempt(organization, person, user_id, next_path)


def attempt_of(request: HttpRequest) -> Attempt | None:
    kept = request.session.get(_KEY)
    if kept is None:
        return None
    try:
        user_id = open_value(_NOBODY, "session", "user_id", kept["user_id"])
    except VaultMismatch:  # its key was rotated away
        return None
    organization, person = resolve(user_id)
    return Attempt(organization, person, user_id, kept["next"])


def noted(request: HttpRequest) -> dict[str, Any]:
    """What :func:`note` was given last, by name."""
    kept: dict[str, Any] = request.session.get(_KEY, {})
    return kept


def note(request: HttpRequest, **values: Any) -> None:
    """Remembers something of this attempt, in the signed session."""
    request.session[_KEY] = {**noted(request), **values}


def forget(request: HttpRequest) -> None:
    request.session.pop(_KEY, None)


def client_for(request: HttpRequest, attempt: Attempt) -> Client:
    """For whom a try counts."""
    return client_of(request, attempt.person.id if attempt.person else attempt.typed)


def only_elsewhere(attempt: Attempt) -> bool:
    """Whether this person is signed in by their organization's provider only. By a spelling whose domain the provider
    does not have they come to the page for a password, like strangers, and must get no further there than those."""
    return kind_of(attempt.person or Person(organization=attempt.organization)) is Kind.FEDERATED


def prove_cloud(request: HttpRequest, attempt: Attempt, password: str, now: datetime) -> Person:
    """The person, if the portal keeps this password for them. Raises WrongPassword or Blocked."""
    client = client_for(request, attempt)
    try:
        allowed = lockout.take(attempt.organization, attempt.typed, attempt.subject, client, now)
    except Blocked as blocked:
        audit(request, attempt, Activity.SIGN_IN_BLOCKED, Result.REFUSED, now, budget=blocked.budget)
        raise
    right = cloud.verify_password(attempt.person, password) and not only_elsewhere(attempt)
    if attempt.person is None or not (right and allowed):
        audit(request, attempt, Activity.SIGN_IN_FAILED, Result.FAILURE, now)
        raise WrongPassword("wrong user ID or password")
    lockout.forgive(attempt.organization, attempt.typed, attempt.subject, client)
    audit(request, attempt, Activity.SIGNED_IN, Result.SUCCESS, now, kind=Kind.CLOUD)
    return attempt.person


def audit(
    request: HttpRequest, attempt: Attempt, activity: Activity, result: Result, now: datetime, **details: str
) -> None:
    write(
        attempt.organization.id,
        activity,
        result=result,
        actor="self",
        now=now,
        tracking_id=tracking_id_of(request),
        details=details,
        personal={"subject": attempt.subject},
    )
