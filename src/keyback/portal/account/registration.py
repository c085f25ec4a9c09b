"""What a person has on file, and whether it is enough: for the list of it, and for asking at sign-in."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import urlencode

from django.urls import reverse

from keyback.portal.account.hold import HELD, is_held
from keyback.portal.methods import Method, installed
from keyback.portal.people.models import Person, Policy
from keyback.portal.people.policies import policy_for
from keyback.portal.recovery.decide import refusal_of_scope
from keyback.portal.securityinfo.entries import confirmed_at, entries

__all__ = ["Asked", "addable", "after_sign_in", "asked", "missing", "scope"]


class Asked(StrEnum):
    """Why somebody is asked for their security info when they sign in."""

    REGISTER = "register"
    CONFIRM = "confirm"


def scope(person: Person, now: datetime) -> tuple[Policy | None, str | None]:
    """The person's policy, and why registering is refused to them, as a recovery would be; None where it is not."""
    policy = policy_for(person.organization, person)
    refusal = HELD if is_held(person, now) else refusal_of_scope(person, policy, now, take_seat=False)
    return policy, refusal


def addable(policy: Policy) -> list[Method]:
    """What people may put on file themselves."""
    methods = (installed().get(name) for name in policy.methods)
    return [method for method in methods if method is not None and method.ready() and method.enrol]


def missing(person: Person, policy: Policy) -> int:
    """How many more gates the policy asks for than the person could open, now or once their first day is over."""
    allowed = {installed()[name].gate for name in policy.methods if name in installed()}
    held = {installed()[entry.method].gate for entry in entries(person) if entry.proves}
    return max(0, policy.gates - len(held & allowed))


def asked(person: Person, now: datetime) -> Asked | None:
    """Never where nothing could be done about it."""
    policy, refusal = scope(person, now)
    if policy is None or refusal is not None:
        return None
    if policy.register_at_sign_in and addable(policy) and missing(person, policy):
        return Asked.REGISTER
    confirmed = max([at for at in (confirmed_at(person), *(e.created_at for e in entries(person))) if at], default=None)
    if policy.reconfirm_days and confirmed and now - confirmed > timedelta(days=policy.reconfirm_days):
        return Asked.CONFIRM
    return None


def after_sign_in(person: Person, next_path: str, now: datetime) -> str:
    """Where to go: on, or first to the page that asks for security info, which leads on."""
    if asked(person, now) is None:
        return next_path
    return f"{reverse('security_info_asked')}?{urlencode({'next': next_path})}"
