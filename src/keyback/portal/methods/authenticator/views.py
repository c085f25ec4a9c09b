"""Typing a code from an app or token. The page is the same whether the person has one or not."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from keyback.flows import State
from keyback.portal.methods import pages
from keyback.portal.methods.authenticator.method import METHOD
from keyback.portal.methods.authenticator.proof import DIGITS, try_code
from keyback.portal.methods.codes import digits_of
from keyback.portal.recovery.guard import posted, step
from keyback.portal.recovery.models import Recovery

__all__ = ["code"]


@step(State.PROVE)
def code(request: HttpRequest, recovery: Recovery) -> HttpResponse:
    if not pages.is_offered(recovery, METHOD.name):
        return redirect("recover_prove")
    if request.method == "GET":
        return _page(request, recovery)
    typed = digits_of(posted(request, recovery, {"code": 40})["code"], DIGITS)
    if typed is None:
        return _page(request, recovery, _("The code has 6 digits. Enter all of them."))
    wrong = _("That is not the code. Wait until a new one is shown, and type that.")
    return pages.proved(
        request,
        recovery,
        lambda client, now: try_code(recovery, typed, client, now),
        lambda: _page(request, recovery, wrong),
    )


def _page(request: HttpRequest, recovery: Recovery, error: str = "") -> HttpResponse:
    return pages.page(request, recovery, "methods/authenticator/code.html", "code", error)
