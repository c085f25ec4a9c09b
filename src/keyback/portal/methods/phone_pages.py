"""Which number, and which code: the pages of every method that goes through a telephone. What they say is the same
whether the number is on file or not."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from keyback.flows import State
from keyback.portal.limits.budgets import Blocked
from keyback.portal.limits.clients import client_of
from keyback.portal.methods import phone_keys
from keyback.portal.methods.codes import CodeRefused, digits_of, latest, try_code
from keyback.portal.methods.phone import PhoneMethod
from keyback.portal.methods.phone_codes import DIGITS, send
from keyback.portal.people.phones import has_extension, normalise_phone
from keyback.portal.recovery.browser import rise, step_token
from keyback.portal.recovery.gates import offered
from keyback.portal.recovery.guard import posted, step, where
from keyback.portal.recovery.models import Recovery
from keyback.portal.recovery.subjects import subject
from keyback.portal.recovery.views.outcome import blocked_page

__all__ = ["urls"]


def urls(method: PhoneMethod) -> list[URLPattern]:
    """The addresses under /recover/<method>/."""

    def view(page: Callable[..., HttpResponse], *verbs: str) -> Callable[..., HttpResponse]:
        return step(State.PROVE, methods=verbs)(partial(page, method))

    return [
        path("start", view(_start, "POST"), name=method.start),
        path("number", view(_number, "GET", "POST"), name=f"{method.name}_number"),
        path("state", view(_state, "GET"), name=f"{method.name}_state"),
        path("", view(_code, "GET", "POST"), name=f"{method.name}_code"),
    ]


def _start(method: PhoneMethod, request: HttpRequest, recovery: Recovery) -> HttpResponse:
    posted(request, recovery, {})
    return redirect(f"{method.name}_number")


def _number(method: PhoneMethod, request: HttpRequest, recovery: Recovery) -> HttpResponse:
    if method.name not in {choice.name for choice in offered(recovery)}:
        return redirect("recover_prove")
    if request.method == "GET":
        return _number_page(method, request, recovery)
    typed = posted(request, recovery, {"number": 60})["number"]
    number = normalise_phone(typed, recovery.organization.phone_region)
    if number is None:
        error = _("Type the whole number, beginning with + and the country code.")
        return _number_page(method, request, recovery, typed=typed, error=error)
    if has_extension(typed, recovery.organization.phone_region):
        notice = _("An extension cannot be called, so we left it out. Is this the number? Then continue.")
        return _number_page(method, request, recovery, typed=number, error=notice)
    try:
        send(method, recovery, number, client_of(request, subject(recovery)), timezone.now())
    except Blocked as blocked:
        return blocked_page(request, recovery.organization, blocked, again="recover_prove")
    return redirect(f"{method.name}_code")


def _code(method: PhoneMethod, request: HttpRequest, recovery: Recovery) -> HttpResponse:
    challenge = latest(recovery, method.name)
    if challenge is None or challenge.used_at is not None:
        return redirect("recover_prove")
    if method.asks_for_key():
        return phone_keys.pressed_page(method, request, recovery, challenge)
    if request.method == "GET":
        return _code_page(method, request, recovery)
    typed = digits_of(posted(request, recovery, {"code": 40})["code"], DIGITS)
    if typed is None:
        return _code_page(method, request, recovery, error=_("The code has 6 digits. Enter all of them."))
    try:
        recovery = try_code(recovery, challenge, typed, client_of(request, subject(recovery)), timezone.now())
    except Blocked as blocked:
        return blocked_page(request, recovery.organization, blocked, again="recover_prove")
    except CodeRefused as refused:
        return _code_page(method, request, recovery, error=_refusal(refused.tries_left))
    rise(request, recovery)
    return redirect(where(recovery))


def _state(method: PhoneMethod, request: HttpRequest, recovery: Recovery) -> HttpResponse:
    """JSON: ``{"waiting": false}`` once # was pressed in the newest call."""
    challenge = latest(recovery, method.name)
    return JsonResponse({"waiting": challenge is None or not phone_keys.is_pressed(challenge, recovery)})


def _refusal(tries_left: int) -> str:
    if tries_left == 0:
        return _("This code does not work any more. Have a new one sent.")
    return ngettext(
        "That is not the code. Only the newest one counts; you have %(count)d more try.",
        "That is not the code. Only the newest one counts; you have %(count)d more tries.",
        tries_left,
    ) % {"count": tries_left}


def _number_page(
    method: PhoneMethod, request: HttpRequest, recovery: Recovery, *, typed: str = "", error: str = ""
) -> HttpResponse:
    return _page("number", method, request, recovery, error, typed=typed)


def _code_page(method: PhoneMethod, request: HttpRequest, recovery: Recovery, *, error: str = "") -> HttpResponse:
    return _page("code", method, request, recovery, error)


def _page(
    name: str, method: PhoneMethod, request: HttpRequest, recovery: Recovery, error: str, **more: str
) -> HttpResponse:
    context = {
        "organization": recovery.organization,
        "method": method,
        "number_url": f"{method.name}_number",
        "code_url": f"{method.name}_code",
        "error": (name, error) if error else None,
        "step_token": step_token(recovery),
        **more,
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK
    return render(request, f"phone/{name}.html", context, status=status)
