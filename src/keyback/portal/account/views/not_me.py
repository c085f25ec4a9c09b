"""Was it not you? A link in the mail leads here; only the button does anything."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from keyback.portal.account.hold import hold, recovery_behind
from keyback.portal.errors import only
from keyback.portal.inputs import form_fields
from keyback.portal.middleware import track

__all__ = ["not_me"]


@only("GET", "POST")
def not_me(request: HttpRequest, recovery_id: UUID, proof: str) -> HttpResponse:
    now = timezone.now()
    recovery = recovery_behind(recovery_id, proof, now)
    if recovery is None or recovery.person is None:
        raise Http404
    track(request, recovery.id)
    context = {"organization": recovery.organization, "when": recovery.written_at, "path": request.path}
    if request.method == "GET":
        return render(request, "account/not_me.html", context)
    form_fields(request, {})
    hold(recovery.person, recovery.id, now)
    return render(request, "account/held.html", context)
