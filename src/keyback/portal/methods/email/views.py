"""Sending a code, and typing it. What these pages say is the same whether anything is on file or not."""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from keyback.flows import State
from keyback.portal.limits.budgets import Blocked
from keyback.portal.limits.clients import client_of
from keyback.portal.methods.codes import CodeRefused, digits_of, latest
from keyback.portal.methods.email import codes
from keyback.portal.methods.email.method import METHOD
from keyback.portal.recovery.browser import rise, step_token
from keyback.portal.recovery.gates import offered
from keyback.portal.recovery.guard import posted, step, where
from keyback.portal.recovery.models import Recovery
from keyback.portal.recovery.subjects import subject
from keyback.portal.recovery.views.outcome import blocked_page

__all__ = ["code", "send"]


@step(State.PROVE, methods=("POST",))
def send(request: HttpRequest, recovery: Recovery) -> HttpResponse:
    posted(request, recovery, {})
    if METHOD not in offered(recovery):
        return redirect("recover_prove")
    try:
        codes.send(recovery, client_of(request, subject(recovery)), timezone.now())
    except Blocked as blocked:
        return blocked_page(request, recovery.organization, blocked, again="recover_prove")
    return redirect("email_code")


@step(State.PROVE)
def code(request: HttpRequest, recovery: Recovery) -> HttpResponse:
    challenge = latest(recovery, METHOD.name)
    if challenge is None or challenge.used_at is not None:
        return redirect("recover_prove")
    if request.method == "GET":
        return _page(request, recovery)
    fields = posted(request, recovery, {"code": 40})
    typed = digits_of(fields["code"], codes.DIGITS)
    if typed is None:
        return _page(request, recovery, error=_("The code has 8 digits. Enter all of them."))
    try:
        recovery = codes.try_code(recovery, challenge, typed, client_of(request, subject(recovery)), timezone.now())
    except Blocked as blocked:
        return blocked_page(request, recovery.organization, blocked, again="recover_prove")
    except CodeRefused as refused:
        return _page(request, recovery, error=_refusal(refused.tries_left))
    rise(request, recovery)
    return redirect(where(recovery))


def _refusal(tries_left: int) -> str:
    if tries_left == 0:
        return _("This code does not work any more. Have a new one sent.")
    return ngettext(
        "That is not the code. Look at the newest mail; you have %(count)d more try.",
        "That is not the code. Look at the newest mail; you have %(count)d more tries.",
        tries_left,
    ) % {"count": tries_left}


def _page(request: HttpRequest, recovery: Recovery, error: str = "") -> HttpResponse:
    context = {
        "organization": recovery.organization,
        "error": ("code", error) if error else None,
        "step_token": step_token(recovery),
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK
    return render(request, "methods/email/code.html", context, status=status)
