"""Who are you? The first page reads one row, writes none, and makes no session."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from keyback.portal.account.attempts import attempt_of
from keyback.portal.errors import only
from keyback.portal.humancheck import characters, work
from keyback.portal.humancheck.spent import HumanCheckFailed
from keyback.portal.inputs import form_fields
from keyback.portal.limits.budgets import Blocked
from keyback.portal.organizations.lookup import (
    MAX_USER_ID,
    Front,
    default_front,
    default_organization,
    normalise_user_id,
)
from keyback.portal.organizations.models import Organization
from keyback.portal.recovery import browser
from keyback.portal.recovery.first_page import TEMPLATE, first_page
from keyback.portal.recovery.identify import Refused, start
from keyback.portal.recovery.views.outcome import blocked_page, refusal_page

__all__ = ["first_password", "identify", "identify_by_characters"]

WORK_FIELDS = {"user_id": MAX_USER_ID, "work": work.LONGEST}
CHARACTER_FIELDS = {"user_id": MAX_USER_ID, "token": characters.LONGEST_TOKEN, "characters": 40}


@only("GET", "POST")
def identify(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        fields = form_fields(request, CHARACTER_FIELDS if "characters" in request.POST else WORK_FIELDS)
        # An empty field of work comes from a browser without JavaScript: it gets the characters.
        return _submitted(request, default_organization(), fields, by_characters=not fields.get("work"))
    return _asked(request, first=False)


@only("GET")
def identify_by_characters(request: HttpRequest) -> HttpResponse:
    return _page(request, default_front(), by_characters=True, user_id=_brought(request))


@only("GET")
def first_password(request: HttpRequest) -> HttpResponse:
    """For who never had one: the same road, told in other words."""
    return _asked(request, first=True)


def _asked(request: HttpRequest, *, first: bool) -> HttpResponse:
    front, user_id = default_front(), _brought(request)
    by_characters = front.human_check == Organization.HumanCheck.CHARACTERS
    if by_characters or user_id:
        return _page(request, front, by_characters=by_characters, user_id=user_id, first=first)
    return HttpResponse(first_page(request, front, timezone.now(), first=first))


def _brought(request: HttpRequest) -> str:
    """Whoever comes from signing in need not type the user ID again."""
    attempt = attempt_of(request)
    return attempt.user_id if attempt else ""


def _submitted(
    request: HttpRequest, organization: Organization, fields: dict[str, str], *, by_characters: bool
) -> HttpResponse:
    now = timezone.now()
    typed = fields["user_id"]
    again = partial(_page, request, organization, by_characters=by_characters, user_id=typed)
    try:
        normalise_user_id(typed)
    except ValueError:
        return again(error=("user_id", _("Enter your user ID.")))
    try:
        _check_human(fields, now)
    except HumanCheckFailed:
        field = "characters" if by_characters else "user_id"
        return again(error=(field, _human_error(fields)))
    try:
        recovery = start(request, typed, get_language() or "en", now)
    except Blocked as blocked:
        return blocked_page(request, organization, blocked)
    except Refused as refused:
        browser.refuse(request, refused.organization, refused.refusal)
        return refusal_page(request, refused.organization, refused.refusal)
    browser.enter(request, recovery)
    return redirect("recover_prove")


def _check_human(fields: dict[str, str], now: datetime) -> None:
    if "characters" in fields:
        characters.complete(fields["token"], fields["characters"], now)
    else:
        work.complete(fields["work"], now)


def _human_error(fields: dict[str, str]) -> str:
    if "characters" in fields:
        return _("Those were not the characters. Here are new ones.")
    if not fields["work"]:
        return _("Type the characters that you see or hear.")
    return _("The check that you are human has run out. It has started again; please continue once more.")


def _page(
    request: HttpRequest,
    organization: Front | Organization,
    *,
    by_characters: bool,
    user_id: str = "",
    error: tuple[str, str] | None = None,
    first: bool = False,
) -> HttpResponse:
    now = timezone.now()
    context: dict[str, Any] = {"organization": organization, "user_id": user_id, "error": error, "first": first}
    if by_characters:
        context["token"] = characters.begin(now)
    else:
        context["work"] = work.element(now)
    template = "recovery/identify_by_characters.html" if by_characters else TEMPLATE
    return render(request, template, context, status=HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK)
