"""To the organization's own sign-in, and back."""

from __future__ import annotations

import logging
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from keyback.portal.account import attempts, openid
from keyback.portal.account.attempts import Attempt, audit
from keyback.portal.account.kinds import Kind
from keyback.portal.account.openid import ProviderUnusable, SignInRefused
from keyback.portal.account.signin import Stage
from keyback.portal.account.views.entering import enter
from keyback.portal.audit.words import Activity, Result
from keyback.portal.errors import only
from keyback.portal.middleware import tracking_id_of

__all__ = ["back", "elsewhere", "go"]

_log = logging.getLogger(__name__)


def elsewhere(request: HttpRequest, attempt: Attempt) -> HttpResponse:
    """A page with a link: a form may lead nowhere but to this site (Content-Security-Policy)."""
    return render(request, "account/sign_in_elsewhere.html", _context(attempt))


@only("GET")
def go(request: HttpRequest) -> HttpResponse:
    attempt = attempts.attempt_of(request)
    provider = openid.provider_of(attempt) if attempt is not None else None
    if attempt is None or provider is None:
        return redirect("sign_in")
    try:
        return redirect(openid.begin(request, attempt, provider))
    except ProviderUnusable as error:
        return _unusable(request, attempt, error)


@only("GET")
def back(request: HttpRequest) -> HttpResponse:
    attempt, now = attempts.attempt_of(request), timezone.now()
    provider = openid.provider_of(attempt) if attempt is not None else None
    if attempt is None or provider is None:
        return redirect("sign_in")
    given = {name: request.GET[name][:4000] for name in ("code", "state", "iss") if name in request.GET}
    try:
        person = openid.complete(request, attempt, provider, given, now)
    except ProviderUnusable as error:
        return _unusable(request, attempt, error)
    except SignInRefused as error:
        audit(request, attempt, Activity.SIGN_IN_FAILED, Result.FAILURE, now, kind=Kind.FEDERATED, why=str(error))
        return render(request, "account/sign_in_refused.html", _context(attempt), status=HTTPStatus.FORBIDDEN)
    audit(request, attempt, Activity.SIGNED_IN, Result.SUCCESS, now, kind=Kind.FEDERATED)
    return enter(request, person, attempt.next, Stage.FULL, proved="openid")


def _unusable(request: HttpRequest, attempt: Attempt, error: ProviderUnusable) -> HttpResponse:
    _log.error("the OpenID Connect provider: %s", error, extra={"tracking_id": tracking_id_of(request)})
    context = {**_context(attempt), "elsewhere": True}
    return render(request, "account/sign_in_unreachable.html", context, status=HTTPStatus.SERVICE_UNAVAILABLE)


def _context(attempt: Attempt) -> dict[str, object]:
    return {"organization": attempt.organization, "user_id": attempt.user_id, "next": attempt.next}
