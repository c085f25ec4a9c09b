"""Unlock, and keep the password: chosen before the first gate, done after the last one."""

from __future__ import annotations

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from keyback.flows import State
from keyback.portal.limits.budgets import Blocked
from keyback.portal.limits.clients import client_of
from keyback.portal.people.binding import PersonBent
from keyback.portal.people.models import Person
from keyback.portal.recovery import unlocking
from keyback.portal.recovery.browser import rise, step_token
from keyback.portal.recovery.guard import StepOver, posted, step, where
from keyback.portal.recovery.models import Purpose, Recovery
from keyback.portal.recovery.subjects import person_or_nobody, subject
from keyback.portal.recovery.views.outcome import blocked_page
from keyback.portal.writeback.preparation import AlreadyWaiting, NoAgent

__all__ = ["choose_purpose", "unlock"]


@step(State.PROVE, State.CHOOSE, methods=("POST",))
def choose_purpose(request: HttpRequest, recovery: Recovery) -> HttpResponse:
    wanted = posted(request, recovery, {"purpose": 10})["purpose"]
    if wanted not in (Purpose.RESET, Purpose.UNLOCK):
        raise BadRequest("no such purpose")
    try:
        recovery = unlocking.choose_purpose(recovery, Purpose(wanted), timezone.now())
    except ValueError:
        raise StepOver from None
    if recovery.gates_opened:
        rise(request, recovery)
    return redirect(where(recovery))


@step(State.CHOOSE, purposes=(Purpose.UNLOCK,))
def unlock(request: HttpRequest, recovery: Recovery) -> HttpResponse:
    if request.method == "GET":
        return _page(request, recovery)
    posted(request, recovery, {})
    try:
        recovery = unlocking.unlock(recovery, client_of(request, subject(recovery)), timezone.now())
    except Blocked as blocked:
        return blocked_page(request, recovery.organization, blocked)
    except (AlreadyWaiting, NoAgent, PersonBent):
        return _page(request, recovery)  # the same page: pressing again in a minute is all that helps
    return redirect(where(recovery))


def _page(request: HttpRequest, recovery: Recovery) -> HttpResponse:
    found = recovery.inspection or {}
    cloud = person_or_nobody(recovery).source == Person.Source.CLOUD
    context = {
        "organization": recovery.organization,
        # Whether strangers' tries closed the sign-in of a cloud person is looked up nowhere: it is opened in any case.
        "locked": cloud or bool(found.get("locked_out")),
        "expired": bool(found.get("must_change") or found.get("password_expired")),
        "may_reset": unlocking.may_reset(recovery),
        "step_token": step_token(recovery),
    }
    return render(request, "recovery/unlock.html", context)
