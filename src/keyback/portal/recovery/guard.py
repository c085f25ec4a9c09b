"""The door of every step: the right recovery, in the right state, in time. Steps cannot be reordered, replayed or
skipped."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import wraps
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from keyback.flows import IllegalMove, State
from keyback.portal.errors import only
from keyback.portal.inputs import form_fields
from keyback.portal.middleware import track
from keyback.portal.people.models import Person
from keyback.portal.recovery import browser
from keyback.portal.recovery.models import Purpose, Recovery
from keyback.portal.recovery.moves import keep_overtaken, keep_time

__all__ = ["StepOver", "posted", "step", "where"]

View = Callable[[HttpRequest, Recovery], HttpResponse]


class StepOver(Exception):
    """The form belongs to a step that this browser is not at."""


def where(recovery: Recovery) -> str:
    """The URL of the page that this recovery is at."""
    names = {
        State.PROVE: "recover_prove",
        State.INSPECT: "recover_wait",
        State.CHOOSE: "recover_password",
        State.WRITE: "recover_wait",
    }
    if recovery.purpose == Purpose.VERIFY and recovery.state != State.PROVE:
        return reverse("account_proved")
    name = names.get(State(recovery.state), "recover_outcome")
    if name == "recover_password" and recovery.purpose == Purpose.UNLOCK:
        return reverse("recover_unlock")
    if name == "recover_password" and recovery.person and recovery.person.source == Person.Source.CLOUD:
        name = "recover_password_plain"
    return reverse(name)


def posted(request: HttpRequest, recovery: Recovery, fields: dict[str, int]) -> dict[str, str]:
    """The fields of a posted form of this step. Raises BadRequest or StepOver."""
    found = form_fields(request, {**fields, "step": 64})
    if not browser.step_token_fits(recovery, found["step"]):
        raise StepOver
    return found


def step(
    *states: State, methods: tuple[str, ...] = ("GET", "POST"), purposes: Collection[str] = tuple(Purpose)
) -> Callable[[View], Callable[..., HttpResponse]]:
    """The view is called with the browser's recovery, and only in one of ``states`` and for one of ``purposes``.
    Elsewhere a GET is led to where the recovery is, and a POST changes nothing and says so (409)."""

    def wrap(view: View) -> Callable[..., HttpResponse]:
        @only(*methods)
        @wraps(view)
        def inner(request: HttpRequest) -> HttpResponse:
            recovery = browser.recovery_of(request)
            if recovery is None:
                return redirect("recover") if request.method != "POST" else _over(request, None)
            track(request, recovery.id)
            recovery = keep_overtaken(keep_time(recovery, timezone.now()), timezone.now())
            if recovery.state not in states or recovery.purpose not in purposes:
                return redirect(where(recovery)) if request.method != "POST" else _over(request, recovery)
            try:
                return view(request, recovery)
            except (StepOver, IllegalMove):
                return _over(request, recovery)

        return inner

    return wrap


def _over(request: HttpRequest, recovery: Recovery | None) -> HttpResponse:
    next_url = where(recovery) if recovery else reverse("recover")
    if request.content_type == "application/json":
        message = _("This step is over. Go on from where you are.")
        return JsonResponse({"error": "step_over", "message": message, "next": next_url}, status=HTTPStatus.CONFLICT)
    context = {"next": next_url, "organization": recovery.organization if recovery else None}
    return render(request, "recovery/step_over.html", context, status=HTTPStatus.CONFLICT)
