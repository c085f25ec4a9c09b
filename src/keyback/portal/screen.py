"""The sign-in screen of a computer: ``?screen=kiosk``. A stranger sits there next, so that no page leads out, the
browser is told to keep nothing, and pages go back to the first one by themselves.
"""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

__all__ = ["ScreenMiddleware", "is_kiosk", "over"]

_META = "keyback.kiosk"


def is_kiosk(request: HttpRequest) -> bool:
    return bool(request.META.get(_META))


class ScreenMiddleware:
    """The choice stands in a cookie of its own, so that it outlives every session of this browser."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        asked = request.GET.get("screen", "")[:10]
        kiosk = asked == "kiosk" or (not asked and request.COOKIES.get(_name()) == "kiosk")
        request.META[_META] = kiosk
        response = self._get_response(request)
        if asked == "kiosk":
            response.set_cookie(_name(), "kiosk", secure=settings.CONFIG.secure, httponly=True, samesite="Lax")
        elif asked:
            response.delete_cookie(_name(), samesite="Lax")
        if kiosk:
            response["Cache-Control"] = "no-store"
        return response


def over(request: HttpRequest) -> HttpResponse:
    """Forgets everything, and begins anew. Only at a sign-in screen: elsewhere a link could sign people out."""
    if is_kiosk(request):
        request.session.flush()
    return redirect(reverse("recover"))


def _name() -> str:
    return "__Host-keyback-screen" if settings.CONFIG.secure else "keyback-screen"
