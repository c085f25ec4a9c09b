"""The door of every page on which people put something on file themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from http import HTTPStatus
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from keyback.portal.account.hold import HELD, is_held
from keyback.portal.account.signin import methods_proved, person_required
from keyback.portal.methods import Method, installed
from keyback.portal.middleware import tracking_id_of
from keyback.portal.people.models import Person
from keyback.portal.people.policies import policy_for
from keyback.portal.recovery.views.outcome import refusal_page
from keyback.portal.securityinfo import rules
from keyback.portal.securityinfo.registered import Taken, TooMany
from keyback.portal.vault import VaultMismatch, open_value, seal_value

__all__ = ["Enrolment", "added", "enrolling", "keep", "kept", "page"]


@dataclass(frozen=True, slots=True)
class Enrolment:
    """``opens_from``: from when the new entry may open a gate."""

    person: Person
    method: Method
    opens_from: datetime
    tracking_id: UUID


View = Callable[[HttpRequest, Enrolment], HttpResponse]


def enrolling(name: str) -> Callable[[View], Callable[..., HttpResponse]]:
    """The view is called for a person who is signed in, whose policy has this method, and who has proved something on
    file, or has nothing there."""

    def wrap(view: View) -> Callable[..., HttpResponse]:
        @person_required("GET", "POST")
        @wraps(view)
        def inner(request: HttpRequest, person: Person) -> HttpResponse:
            method, now = installed()[name], timezone.now()
            policy = policy_for(person.organization, person)
            if is_held(person, now):
                return refusal_page(request, person.organization, HELD)
            if policy is None or name not in policy.methods or not method.ready():
                return _refused(request, person, method, "not_allowed")
            try:
                opens_from = rules.opening(person, methods_proved(request), now)
                return view(request, Enrolment(person, method, opens_from, tracking_id_of(request)))
            except rules.MethodNeeded:
                return redirect(f"{reverse('account_prove')}?{urlencode({'next': request.path})}")
            except TooMany:
                return _refused(request, person, method, "too_many")
            except Taken:
                return _refused(request, person, method, "taken")

        return inner

    return wrap


def _refused(request: HttpRequest, person: Person, method: Method, why: str) -> HttpResponse:
    context = {"organization": person.organization, "method": method, "why": why}
    return render(request, "securityinfo/refused.html", context, status=HTTPStatus.FORBIDDEN)


def page(
    request: HttpRequest,
    enrolment: Enrolment,
    template: str,
    errors: list[tuple[str, str]] | None = None,
    **more: object,
) -> HttpResponse:
    """A page of an enrolment; 422 with errors, each with its field."""
    context = {
        "organization": enrolment.person.organization,
        "method": enrolment.method,
        "errors": errors or [],
        **more,
    }
    return render(request, template, context, status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK)


def added(request: HttpRequest, enrolment: Enrolment) -> HttpResponse:
    """It is on file: what that means, and from when."""
    waits = enrolment.opens_from if enrolment.opens_from > timezone.now() else None
    return page(request, enrolment, "securityinfo/added.html", waits=waits)


def keep(request: HttpRequest, enrolment: Enrolment, text: str) -> None:
    """Remembers something secret between two pages of one enrolment, encrypted, in this browser's session."""
    request.session[_key(enrolment)] = seal_value(
        enrolment.person.organization_id, enrolment.person.pk, _key(enrolment), text
    )


def kept(request: HttpRequest, enrolment: Enrolment, *, forget: bool = False) -> str | None:
    """What :func:`keep` was given last; None where there is nothing."""
    token = request.session.pop(_key(enrolment), None) if forget else request.session.get(_key(enrolment))
    if token is None:
        return None
    try:
        return open_value(enrolment.person.organization_id, enrolment.person.pk, _key(enrolment), token)
    except VaultMismatch:  # somebody else signed in meanwhile, or its key was rotated away
        return None


def _key(enrolment: Enrolment) -> str:
    return f"enrol_{enrolment.method.name}"
