"""How to reach whoever can help: the organization's own link, or a form that mails those who look after accounts."""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from keyback.portal import contact_form
from keyback.portal.errors import only
from keyback.portal.inputs import form_fields
from keyback.portal.limits.budgets import Blocked
from keyback.portal.limits.clients import client_of
from keyback.portal.middleware import track
from keyback.portal.organizations.lookup import MAX_USER_ID, default_organization, normalise_user_id
from keyback.portal.recovery import browser
from keyback.portal.recovery.models import Recovery
from keyback.portal.recovery.subjects import subject
from keyback.portal.recovery.views.outcome import blocked_page

__all__ = ["contact", "sent"]

_FIELDS = {"user_id": MAX_USER_ID, "reach": 200, "words": 300}


@only("GET", "POST")
def contact(request: HttpRequest) -> HttpResponse:
    """The form is for a browser that was checked to be human: one that has begun a recovery, or was refused one."""
    recovery, asking = _asking(request)
    if request.method != "POST":
        return _page(request, recovery, asking)
    fields = form_fields(request, _FIELDS)
    if not asking.form:
        return redirect("contact")
    try:
        normalise_user_id(fields["user_id"])
    except ValueError:
        return _page(request, recovery, asking, fields, error=("user_id", _("Enter your user ID.")))
    client = client_of(request, subject(recovery) if recovery else None)
    try:
        contact_form.send(asking, fields, client, timezone.now())
    except Blocked as blocked:
        return blocked_page(request, asking.organization, blocked, again="contact")
    return redirect("contact_sent")


@only("GET")
def sent(request: HttpRequest) -> HttpResponse:
    recovery, asking = _asking(request)
    context = {"organization": asking.organization, "in_recovery": recovery is not None}
    return render(request, "contact_sent.html", context)


def _asking(request: HttpRequest) -> tuple[Recovery | None, contact_form.Asking]:
    """With the tracking id of what happened to this browser before, where there is one."""
    recovery = browser.recovery_of(request)
    if recovery is not None:
        track(request, recovery.id)
        return recovery, contact_form.of_recovery(recovery)
    refused = browser.refused_of(request)
    if refused is not None:
        track(request, refused.tracking_id)
        return None, contact_form.of_refusal(refused)
    return None, contact_form.of_nobody(default_organization())


def _page(
    request: HttpRequest,
    recovery: Recovery | None,
    asking: contact_form.Asking,
    fields: dict[str, str] | None = None,
    error: tuple[str, str] | None = None,
) -> HttpResponse:
    context = {
        "organization": asking.organization,
        "in_recovery": recovery is not None,
        "form": asking.form,
        "reachable": asking.reachable,
        "error": error,
        **(fields or {}),
    }
    return render(request, "contact.html", context, status=HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK)
