"""Signing in: first the user ID, then the password. Nothing that these pages say depends on whether the person exists.

The user ID travels in the session and never in an address, where histories and logs would keep it.
"""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from keyback.portal.account import attempts, openid, passthrough, signin
from keyback.portal.account.attempts import Attempt, WrongPassword
from keyback.portal.account.signin import Stage, safe_next
from keyback.portal.account.views import directory_sign_in, openid_sign_in
from keyback.portal.account.views.entering import enter
from keyback.portal.errors import only
from keyback.portal.inputs import form_fields
from keyback.portal.limits.budgets import Blocked, Budget, spend
from keyback.portal.limits.clients import client_of
from keyback.portal.organizations.lookup import MAX_USER_ID, default_organization
from keyback.portal.people import cloud
from keyback.portal.recovery.views.outcome import blocked_page

__all__ = ["forgot", "password", "sign_in", "sign_out"]

LONGEST_NEXT = 200
STARTED = Budget("sign_ins_started", 200, timedelta(hours=1))


@only("GET", "POST")
def sign_in(request: HttpRequest) -> HttpResponse:
    if request.method == "GET":
        found = signin.signed_in_as(request)
        next_path = safe_next(request.GET.get("next", "")[:LONGEST_NEXT])
        if found is None:
            return _user_id_page(request, next_path)
        return redirect(next_path if found.stage is Stage.FULL else signin.where(found.stage))
    fields = form_fields(request, {"user_id": MAX_USER_ID, "next": LONGEST_NEXT})
    next_path = safe_next(fields["next"])
    try:
        _begin(request, fields["user_id"], next_path)
    except Blocked as blocked:
        return blocked_page(request, default_organization(), blocked, again="sign_in")
    except ValueError:
        return _user_id_page(request, next_path, fields["user_id"], _("Enter your user ID."))
    return redirect("sign_in_password")


def _begin(request: HttpRequest, user_id: str, next_path: str) -> None:
    client = client_of(request)
    if client.kind != "office":  # hundreds of people share its address
        spend(default_organization().id, STARTED, client.key, now=timezone.now())
    attempts.begin(request, user_id, next_path)


@sensitive_post_parameters()
@only("GET", "POST")
def password(request: HttpRequest) -> HttpResponse:
    attempt = attempts.attempt_of(request)
    if attempt is None:
        return redirect("sign_in")
    if openid.provider_of(attempt) is not None:
        return openid_sign_in.elsewhere(request, attempt)
    if passthrough.in_directory(attempt):
        return directory_sign_in.password(request, attempt)
    if request.method == "GET":
        return _password_page(request, attempt)
    typed = form_fields(request, {"password": 1024})["password"]
    if not typed:
        return _password_page(request, attempt, _("Enter your password."))
    try:
        person = attempts.prove_cloud(request, attempt, typed, timezone.now())
    except Blocked as blocked:
        return blocked_page(request, attempt.organization, blocked, again="sign_in")
    except WrongPassword:
        return _password_page(request, attempt, _("The user ID or the password is not right. Try once more."))
    return enter(
        request, person, attempt.next, Stage.CHANGE if cloud.has_expired(person, timezone.now()) else Stage.FULL
    )


@only("POST")
def forgot(request: HttpRequest) -> HttpResponse:
    """On to the recovery, with what was typed."""
    fields = form_fields(request, {"user_id": MAX_USER_ID, "next": LONGEST_NEXT})
    try:
        _begin(request, fields["user_id"], safe_next(fields["next"]))
    except Blocked as blocked:
        return blocked_page(request, default_organization(), blocked, again="sign_in")
    except ValueError:
        attempts.forget(request)
    return redirect("recover")


@only("POST")
def sign_out(request: HttpRequest) -> HttpResponse:
    form_fields(request, {})
    signin.sign_out(request)
    return render(request, "account/signed_out.html", {"organization": default_organization()})


def _user_id_page(request: HttpRequest, next_path: str, user_id: str = "", error: str = "") -> HttpResponse:
    context = {
        "organization": default_organization(),
        "user_id": user_id,
        "next": next_path,
        "error": ("user_id", error) if error else None,
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK
    return render(request, "account/sign_in.html", context, status=status)


def _password_page(request: HttpRequest, attempt: Attempt, error: str = "") -> HttpResponse:
    context = {
        "organization": attempt.organization,
        "user_id": attempt.user_id,
        "next": attempt.next,
        "error": ("password", error) if error else None,
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK
    return render(request, "account/sign_in_password.html", context, status=status)
