"""What somebody sees who is signed in."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from keyback.portal.account.signin import person_required
from keyback.portal.people.models import Person

__all__ = ["home"]


@person_required("GET")
def home(request: HttpRequest, person: Person) -> HttpResponse:
    context = {
        "organization": person.organization,
        "person": person,
        "applications": person.organization.applications.all(),
    }
    return render(request, "account/home.html", context)
