"""Change my password: asked for, or because it has to be."""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from keyback.portal.account import changing
from keyback.portal.account.hold import HELD, is_held
from keyback.portal.account.signin import Stage, person_required, signed_in_as
from keyback.portal.inputs import form_fields
from keyback.portal.people.models import Person
from keyback.portal.recovery.guard import where
from keyback.portal.recovery.views.outcome import refusal_page

__all__ = ["change_password"]


@person_required("GET", "POST", stages=(Stage.CHANGE, Stage.FULL))
def change_password(request: HttpRequest, person: Person) -> HttpResponse:
    found = signed_in_as(request)
    forced = found is not None and found.stage is Stage.CHANGE
    context = {"organization": person.organization, "person": person, "forced": forced}
    if is_held(person, timezone.now()):
        return refusal_page(request, person.organization, HELD)
    if not (forced or changing.allowed(person)):
        return render(request, "account/change_not_allowed.html", context, status=HTTPStatus.FORBIDDEN)
    if request.method == "GET" or found is None:
        return render(request, "account/change.html", context)
    form_fields(request, {})
    return redirect(where(changing.begin(request, found, timezone.now())))
