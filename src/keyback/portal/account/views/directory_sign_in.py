"""The password page of people whose password is in a directory, and the wait for its word."""

from __future__ import annotations

from http import HTTPStatus

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from keyback.passwords import utf16_units
from keyback.portal.account import attempts, openid, passthrough
from keyback.portal.account.attempts import Attempt
from keyback.portal.account.passthrough import NotPrepared
from keyback.portal.account.views.entering import enter
from keyback.portal.errors import only
from keyback.portal.inputs import form_fields
from keyback.portal.limits.budgets import Blocked
from keyback.portal.recovery.views.outcome import blocked_page, blocked_text
from keyback.portal.writeback.pages import for_script, sealed
from keyback.portal.writeback.preparation import BoxesRefused, NoAgent, seal_here
from keyback.protocol.limits import MAX_PASSWORD_UTF16
from keyback.protocol.sealing import Sealed

__all__ = ["password", "plain", "result", "state", "wait"]


def password(request: HttpRequest, attempt: Attempt, error: str = "") -> HttpResponse:
    """GET: the page that seals. POST: the boxes."""
    if request.method == "POST" and not error:
        return _sealed(request, attempt)
    now = timezone.now()
    try:
        preparation = passthrough.prepared(request, attempt, now)
    except NoAgent:
        return _unreachable(request, attempt)
    step = str(preparation.envelope.request_id)
    sealing = for_script(preparation, submit=reverse("sign_in_password"), step=step)
    context = {**_context(attempt, error), "sealing": sealing, "plain_allowed": attempt.organization.allow_plain_page}
    status = HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK
    return render(request, "account/sign_in_directory.html", context, status=status)


def _sealed(request: HttpRequest, attempt: Attempt) -> HttpResponse:
    sent = sealed(request)
    try:
        passthrough.send(request, attempt, sent.request_id, sent.boxes, timezone.now())
    except BoxesRefused:
        raise BadRequest("the boxes do not fit") from None
    except NotPrepared:
        return _problem("step_over", _("This page was open too long. Load it again."), HTTPStatus.CONFLICT)
    except Blocked as blocked:
        return _problem("blocked", blocked_text(blocked), HTTPStatus.TOO_MANY_REQUESTS)
    return JsonResponse({"next": reverse("sign_in_wait")})


@sensitive_post_parameters()
@only("GET", "POST")
def plain(request: HttpRequest) -> HttpResponse:
    """Typed without JavaScript, and sealed on receipt, where the organization allows that."""
    attempt = attempts.attempt_of(request)
    if attempt is None or openid.provider_of(attempt) is not None or not passthrough.in_directory(attempt):
        return redirect("sign_in")
    if not attempt.organization.allow_plain_page:
        raise BadRequest("this organization takes sealed passwords only")
    if request.method == "GET":
        return _plain_page(request, attempt)
    typed = form_fields(request, {"password": 1024})["password"]
    if not typed or utf16_units(typed) > MAX_PASSWORD_UTF16:
        return _plain_page(request, attempt, _("Enter your password."))
    now = timezone.now()
    try:
        preparation = passthrough.prepared(request, attempt, now)
        boxes = seal_here(preparation, Sealed(current=typed))
        passthrough.send(request, attempt, preparation.envelope.request_id, boxes, now)
    except NoAgent:
        return _unreachable(request, attempt)
    except Blocked as blocked:
        return blocked_page(request, attempt.organization, blocked, again="sign_in")
    return redirect("sign_in_wait")


@only("GET")
def wait(request: HttpRequest) -> HttpResponse:
    attempt = attempts.attempt_of(request)
    if attempt is None:
        return redirect("sign_in")
    if not passthrough.waiting(request, attempt, timezone.now()):
        return redirect("sign_in_result")
    return render(request, "account/sign_in_wait.html", {"organization": attempt.organization})


@only("GET")
def state(request: HttpRequest) -> HttpResponse:
    """JSON: ``{"waiting": true}``, or ``{"waiting": false, "next": URL}``. It says nothing else."""
    attempt = attempts.attempt_of(request)
    if attempt is not None and passthrough.waiting(request, attempt, timezone.now()):
        return JsonResponse({"waiting": True})
    return JsonResponse({"waiting": False, "next": reverse("sign_in_result")})


@only("GET")
def result(request: HttpRequest) -> HttpResponse:
    attempt, now = attempts.attempt_of(request), timezone.now()
    if attempt is None:
        return redirect("sign_in")
    if passthrough.waiting(request, attempt, now):
        return redirect("sign_in_wait")
    found = passthrough.answer(request, attempt, now)
    if found is None:
        return redirect("sign_in_password")
    if found.stage is not None and attempt.person is not None:
        return enter(request, attempt.person, attempt.next, found.stage)
    if found.unreachable:
        return _unreachable(request, attempt)
    wrong = _("The user ID or the password is not right, or there were too many tries. Try once more, or wait a while.")
    return password(request, attempt, wrong)


def _context(attempt: Attempt, error: str) -> dict[str, object]:
    return {
        "organization": attempt.organization,
        "user_id": attempt.user_id,
        "next": attempt.next,
        "error": ("current-password", error) if error else None,
    }


def _plain_page(request: HttpRequest, attempt: Attempt, error: str = "") -> HttpResponse:
    status = HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK
    return render(request, "account/sign_in_directory_plain.html", _context(attempt, error), status=status)


def _unreachable(request: HttpRequest, attempt: Attempt) -> HttpResponse:
    context = {"organization": attempt.organization}
    return render(request, "account/sign_in_unreachable.html", context, status=HTTPStatus.SERVICE_UNAVAILABLE)


def _problem(code: str, message: str, status: HTTPStatus) -> HttpResponse:
    return JsonResponse({"error": code, "message": message, "next": reverse("sign_in_password")}, status=status)
