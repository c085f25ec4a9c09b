"""What the refusals mean, and what helps: the place that every link in an error leads to."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from keyback.portal.errors import only
from keyback.portal.recovery.wording import explanations

__all__ = ["help_page"]


@only("GET")
def help_page(request: HttpRequest) -> HttpResponse:
    """No database here: it is read when other things do not work."""
    return render(request, "help.html", {"refusals": explanations()})
