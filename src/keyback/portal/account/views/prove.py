"""One proof more than the password."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from keyback.portal.account import registration, signin, verification
from keyback.portal.account.signin import Stage, person_required, safe_next
from keyback.portal.errors import only
from keyback.portal.inputs import form_fields
from keyback.portal.limits.clients import remember_device
from keyback.portal.people.models import Person
from keyback.portal.securityinfo.rules import methods_on_file

__all__ = ["prove", "prove_first", "proved"]


def prove_first(path: str) -> HttpResponse:
    """To the proof, and back to this page after it."""
    return redirect(f"{reverse('account_prove')}?{urlencode({'next': path})}")


@person_required("GET", "POST", stages=(Stage.SECOND, Stage.FULL))
def prove(request: HttpRequest, person: Person) -> HttpResponse:
    if request.method == "POST":
        after = safe_next(form_fields(request, {"next": 200})["next"])
        verification.begin(request, person, after, timezone.now())
        return redirect("recover_prove")
    context = {
        "organization": person.organization,
        "person": person,
        "next": safe_next(request.GET.get("next", "")),
        "possible": bool(methods_on_file(person)),
    }
    return render(request, "account/prove.html", context)


@only("GET")
def proved(request: HttpRequest) -> HttpResponse:
    found = signin.signed_in_as(request)
    if found is None:
        return redirect("sign_in")
    now = timezone.now()
    after = verification.complete(request, found)
    if after is None:
        return redirect(signin.where(found.stage))
    if found.stage is Stage.SECOND and found.then is Stage.FULL:
        after = registration.after_sign_in(found.person, after, now)
    response = redirect(after)
    remember_device(request, response, found.person.id, now)
    return response
