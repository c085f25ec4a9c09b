"""Which address or number, and which code came there: the same pages for all methods that send one."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _

from keyback.portal.inputs import form_fields
from keyback.portal.limits.budgets import Blocked
from keyback.portal.methods.codes import digits_of
from keyback.portal.recovery.views.outcome import blocked_page
from keyback.portal.securityinfo import destinations, entries
from keyback.portal.securityinfo.destinations import Destination, WrongCode
from keyback.portal.securityinfo.enrolling import Enrolment, added, enrolling, page

__all__ = ["urls"]

LONGEST = 254


def urls(what: Destination, digits: int) -> list[URLPattern]:
    """The addresses under /security-info/<method>/."""

    @enrolling(what.method)
    def add(request: HttpRequest, enrolment: Enrolment) -> HttpResponse:
        return _add(request, enrolment, what)

    @enrolling(what.method)
    def code(request: HttpRequest, enrolment: Enrolment) -> HttpResponse:
        return _code(request, enrolment, what, digits)

    return [
        path("", add, name=f"{what.method}_add"),
        path("code", code, name=f"{what.method}_add_code"),
    ]


def _add(request: HttpRequest, enrolment: Enrolment, what: Destination) -> HttpResponse:
    if request.method == "GET":
        return _destination_page(request, enrolment, what, replaces=_mine(enrolment, request.GET.get("replaces", "")))
    fields = form_fields(request, {what.field: LONGEST, "replaces": 36})
    typed, replaces = fields[what.field], _mine(enrolment, fields["replaces"])
    value = what.normalise(enrolment.person, typed)
    if value is None:
        return _destination_page(request, enrolment, what, typed=typed, replaces=replaces, error=str(what.unusable))
    try:
        destinations.begin(request, enrolment, what, value, replaces=replaces, now=timezone.now())
    except Blocked as blocked:
        return blocked_page(request, enrolment.person.organization, blocked, again="security_info")
    return redirect(f"{what.method}_add_code")


def _mine(enrolment: Enrolment, given: str) -> str:
    """The id of an entry that this person may replace; empty for anything else."""
    try:
        wanted = UUID(given)
    except ValueError:
        return ""
    mine = {entry.id for entry in entries.entries(enrolment.person) if entry.removable}
    return str(wanted) if wanted in mine else ""


def _code(request: HttpRequest, enrolment: Enrolment, what: Destination, digits: int) -> HttpResponse:
    if destinations.pending_of(request, enrolment) is None:
        return redirect(f"{what.method}_add")
    if request.method == "GET":
        return _code_page(request, enrolment, what)
    typed = digits_of(form_fields(request, {"code": 40})["code"], digits)
    if typed is None:
        error = _("The code has %(count)d digits. Enter all of them.") % {"count": digits}
        return _code_page(request, enrolment, what, error)
    try:
        destinations.complete(request, enrolment, what, typed, timezone.now())
    except WrongCode:
        return _code_page(request, enrolment, what, _("That is not the code, or it does not work any more."))
    return added(request, enrolment)


def _destination_page(
    request: HttpRequest,
    enrolment: Enrolment,
    what: Destination,
    *,
    typed: str = "",
    replaces: str = "",
    error: str = "",
) -> HttpResponse:
    return page(
        request,
        enrolment,
        "securityinfo/destination.html",
        [(what.field, error)] if error else None,
        what=what,
        typed=typed,
        replaces=replaces,
        longest=LONGEST,
        add_url=f"{what.method}_add",
    )


def _code_page(request: HttpRequest, enrolment: Enrolment, what: Destination, error: str = "") -> HttpResponse:
    pending = destinations.pending_of(request, enrolment)
    return page(
        request,
        enrolment,
        "securityinfo/destination_code.html",
        [("code", error)] if error else None,
        what=what,
        mask=what.mask(pending.value) if pending else "",
        add_url=f"{what.method}_add",
        code_url=f"{what.method}_add_code",
    )
