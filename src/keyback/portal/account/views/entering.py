"""What follows a right password, whoever judged it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from keyback.portal.account import registration, signin, verification
from keyback.portal.account.signin import Stage
from keyback.portal.limits.clients import remember_device
from keyback.portal.people.models import Person
from keyback.portal.securityinfo.rules import methods_on_file

__all__ = ["enter"]


def enter(
    request: HttpRequest, person: Person, next_path: str, stage: Stage, proved: str = signin.PASSWORD
) -> HttpResponse:
    """``stage``: CHANGE where a new password has to be chosen first, else FULL. A new session, and the page to go on
    with."""
    now = timezone.now()
    second = person.organization.two_step_sign_in and bool(methods_on_file(person))
    if second:
        signin.sign_in(request, person, now, stage=Stage.SECOND, proved=proved, then=stage)
        verification.begin(request, person, next_path, now)
        return redirect("recover_prove")
    signin.sign_in(request, person, now, stage=stage, proved=proved)
    on = next_path if stage is Stage.FULL else signin.where(stage)
    response = redirect(registration.after_sign_in(person, on, now) if stage is Stage.FULL else on)
    remember_device(request, response, person.id, now)
    return response
