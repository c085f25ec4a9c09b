"""The page that waits for an agent. No request thread waits: the page asks again, with JavaScript or without."""

from __future__ import annotations

from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from keyback.flows import State
from keyback.portal.errors import only
from keyback.portal.recovery import browser, inspection
from keyback.portal.recovery.guard import step, where
from keyback.portal.recovery.models import Recovery
from keyback.portal.recovery.moves import keep_time
from keyback.portal.recovery.rows import locked
from keyback.portal.recovery.unlocking import may_reset

__all__ = ["state", "wait"]


@step(State.INSPECT, State.WRITE, methods=("GET",))
def wait(request: HttpRequest, recovery: Recovery) -> HttpResponse:
    _begin_if_free(recovery)
    context = {
        "organization": recovery.organization,
        "writing": recovery.state == State.WRITE,
        "purpose": recovery.purpose,
    }
    return render(request, "recovery/wait.html", context)


@only("GET")
def state(request: HttpRequest) -> HttpResponse:
    """JSON: ``{"waiting": true}``, or ``{"waiting": false, "next": URL}``. It says nothing else."""
    recovery = browser.recovery_of(request)
    if recovery is None:
        return JsonResponse({"waiting": False, "next": reverse("recover")})
    recovery = keep_time(recovery, timezone.now())
    if recovery.state in (State.INSPECT, State.WRITE):
        _begin_if_free(recovery)
        return JsonResponse({"waiting": True})
    return JsonResponse({"waiting": False, "next": where(recovery)})


def _begin_if_free(recovery: Recovery) -> None:
    """Another request of this person was unfinished when the gate opened: look again whether it still is."""
    if recovery.state != State.INSPECT or recovery.request_id is not None:
        return
    with transaction.atomic():
        recovery = locked(recovery)
        if recovery.state == State.INSPECT and recovery.request_id is None:
            inspection.begin(recovery, timezone.now(), may_reset=may_reset(recovery))
