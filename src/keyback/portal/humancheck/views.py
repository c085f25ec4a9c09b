"""The image and the sound of the characters to type."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone

from keyback.portal.errors import only
from keyback.portal.humancheck import characters
from keyback.portal.humancheck.spent import HumanCheckFailed
from keyback.portal.limits.budgets import Blocked, Budget, spend
from keyback.portal.limits.clients import client_of
from keyback.portal.organizations.lookup import default_organization

__all__ = ["image", "sound"]

# Each costs much more than any page (a sound twenty times as much as an image), and each drawing of the same characters
# helps a machine to read.
DRAWN = Budget("characters_drawn", 60, timedelta(minutes=10))
SPOKEN = Budget("characters_spoken", 20, timedelta(minutes=10))


@only("GET")
def image(request: HttpRequest, token: str) -> HttpResponse:
    return _answer(request, token, characters.draw, "image/png", DRAWN)


@only("GET")
def sound(request: HttpRequest, token: str) -> HttpResponse:
    return _answer(request, token, characters.speak, "audio/wav", SPOKEN)


def _answer(
    request: HttpRequest, token: str, make: Callable[[str, datetime], bytes], content_type: str, budget: Budget
) -> HttpResponse:
    now = timezone.now()
    try:
        client = client_of(request)
        if client.kind != "office":
            spend(default_organization().id, budget, client.key, now=now)
        return HttpResponse(make(token, now), content_type=content_type)
    except Blocked:
        return HttpResponse(status=429)
    except HumanCheckFailed:
        raise Http404 from None
