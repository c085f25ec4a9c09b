"""How can you prove that it is you? What is on file: seen, added, changed, removed, one of it first; and asked for when
somebody signs in."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from keyback.portal.account import registration
from keyback.portal.account.signin import methods_proved, person_required, safe_next
from keyback.portal.account.views.prove import prove_first
from keyback.portal.audit.words import Activity, Result
from keyback.portal.audit.writer import write
from keyback.portal.inputs import form_fields
from keyback.portal.methods import installed
from keyback.portal.middleware import tracking_id_of
from keyback.portal.people.models import Person, Policy
from keyback.portal.recovery.views.outcome import refusal_page
from keyback.portal.securityinfo import rules
from keyback.portal.securityinfo.entries import (
    Entry,
    NotTheirs,
    confirm,
    default_method,
    entries,
    remove,
    set_default,
)

__all__ = ["asked", "confirmed", "default", "removal", "security_info"]


@person_required("GET")
def security_info(request: HttpRequest, person: Person) -> HttpResponse:
    policy, refusal = registration.scope(person, timezone.now())
    if policy is None or refusal is not None:
        return refusal_page(request, person.organization, refusal or "SSPR_0011")
    return render(request, "account/security_info.html", _context(person, policy))


@person_required("GET", "POST")
def asked(request: HttpRequest, person: Person) -> HttpResponse:
    """Asked at sign-in; it may be put off."""
    if request.method == "POST":
        next_path = safe_next(form_fields(request, {"next": 200})["next"])
        _confirm(request, person, timezone.now())
        return redirect(next_path)
    next_path = safe_next(request.GET.get("next", "")[:200])
    policy, _refusal = registration.scope(person, timezone.now())
    why = registration.asked(person, timezone.now())
    if policy is None or why is None:
        return redirect(next_path)
    context = {**_context(person, policy), "why": why.value, "next": next_path}
    return render(request, "account/security_info_asked.html", context)


@person_required("POST")
def confirmed(request: HttpRequest, person: Person) -> HttpResponse:
    form_fields(request, {})
    _confirm(request, person, timezone.now())
    return redirect("security_info")


@person_required("POST")
def default(request: HttpRequest, person: Person) -> HttpResponse:
    method = form_fields(request, {"method": 20})["method"]
    if method not in {entry.method for entry in entries(person)}:
        raise Http404
    if _needs_proof(request, person):
        return prove_first(reverse("security_info"))
    set_default(person, method)
    _write(request, person, Activity.SECURITY_INFO_DEFAULT, timezone.now(), method=method)
    return redirect("security_info")


@person_required("GET", "POST")
def removal(request: HttpRequest, person: Person, entry_id: UUID) -> HttpResponse:
    entry = next((entry for entry in entries(person) if entry.id == entry_id and entry.removable), None)
    if entry is None:
        raise Http404
    if _needs_proof(request, person):
        return prove_first(request.path)
    if request.method == "GET":
        context = {"organization": person.organization, "entry": entry, "method": installed()[entry.method]}
        return render(request, "account/security_info_remove.html", context)
    form_fields(request, {})
    try:
        remove(person, entry_id, by="self", now=timezone.now(), tracking_id=tracking_id_of(request))
    except NotTheirs:
        raise Http404 from None  # gone meanwhile, in another window
    return redirect("security_info")


def _needs_proof(request: HttpRequest, person: Person) -> bool:
    try:
        rules.opening(person, methods_proved(request), timezone.now())
    except rules.MethodNeeded:
        return True
    return False


def _confirm(request: HttpRequest, person: Person, now: datetime) -> None:
    confirm(person, now)
    _write(request, person, Activity.SECURITY_INFO_CONFIRMED, now)


def _write(request: HttpRequest, person: Person, activity: Activity, now: datetime, **details: str) -> None:
    write(
        person.organization_id,
        activity,
        result=Result.SUCCESS,
        actor="self",
        now=now,
        tracking_id=tracking_id_of(request),
        details={"person": str(person.pk), **details},
    )


def _context(person: Person, policy: Policy) -> dict[str, Any]:
    first = default_method(person)
    return {
        "organization": person.organization,
        "person": person,
        "rows": [_row(entry, first) for entry in entries(person)],
        "addable": registration.addable(policy),
        "missing": registration.missing(person, policy),
    }


def _row(entry: Entry, first: str) -> dict[str, Any]:
    method = installed()[entry.method]
    waits = entry.opens_from if entry.opens_from and entry.opens_from > timezone.now() else None
    return {
        "entry": entry,
        "method": method,
        "waits": waits,
        "is_default": entry.method == first,
        "changeable": entry.removable and method.enrol and entry.method in ("email", "sms", "call_office"),
    }
