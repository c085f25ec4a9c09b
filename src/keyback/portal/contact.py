"""How to reach whoever can help, with the support code to tell them."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from keyback.portal.errors import only
from keyback.portal.middleware import track
from keyback.portal.organizations.lookup import default_organization
from keyback.portal.recovery.browser import recovery_of

__all__ = ["contact"]


@only("GET")
def contact(request: HttpRequest) -> HttpResponse:
    recovery = recovery_of(request)
    if recovery is not None:
        track(request, recovery.id)
    organization = recovery.organization if recovery else default_organization()
    return render(request, "contact.html", {"organization": organization, "in_recovery": recovery is not None})
