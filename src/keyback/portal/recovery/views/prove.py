"""How do you want to prove it is you? Before the first gate everybody sees every method that the organization
allows."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from keyback.flows import State
from keyback.portal.methods import Method
from keyback.portal.recovery import unlocking
from keyback.portal.recovery.browser import step_token
from keyback.portal.recovery.gates import offered
from keyback.portal.recovery.guard import step
from keyback.portal.recovery.models import Purpose, Recovery
from keyback.portal.recovery.subjects import person_or_nobody

__all__ = ["prove"]


@step(State.PROVE, methods=("GET",))
def prove(request: HttpRequest, recovery: Recovery) -> HttpResponse:
    choices = [{"method": method, "masks": _masks(recovery, method)} for method in offered(recovery)]
    if recovery.gates_opened:  # what this person has not got would only be a dead end
        choices = [choice for choice in choices if choice["masks"]]
    context = {
        "organization": recovery.organization,
        "offered": choices,
        "second": bool(recovery.gates_opened),
        "step_token": step_token(recovery),
        "purpose": recovery.purpose,
        "other_purpose": _other_purpose(recovery),
    }
    return render(request, "recovery/prove.html", context)


def _other_purpose(recovery: Recovery) -> str:
    """What may be chosen instead, while nothing is proved; the same for everybody of the organization."""
    if recovery.gates_opened or recovery.purpose == Purpose.VERIFY:
        return ""
    others = [purpose for purpose in unlocking.purposes(recovery.organization) if purpose != recovery.purpose]
    return others[0].value if others else ""


def _masks(recovery: Recovery, method: Method) -> list[str]:
    """Only for who is signed in, for a browser that helped this person back in before, after a gate, or where the
    organization explains."""
    known = recovery.purpose == Purpose.VERIFY or recovery.known_device or recovery.gates_opened
    return method.masks(person_or_nobody(recovery)) if known or recovery.organization.explain_to_person else []
