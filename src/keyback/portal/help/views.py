"""The portal's own help. No database: it is there when nothing else is."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from keyback.portal.errors import only
from keyback.portal.help.topics import FOR_ADMINISTRATORS, FOR_PEOPLE
from keyback.portal.recovery.wording import explanations

__all__ = ["for_administrators", "for_people"]


@only("GET")
def for_people(request: HttpRequest) -> HttpResponse:
    return render(request, "help.html", {"chapters": FOR_PEOPLE, "refusals": explanations()})


@only("GET")
def for_administrators(request: HttpRequest) -> HttpResponse:
    return render(request, "help.html", {"chapters": FOR_ADMINISTRATORS, "administrators": True})
