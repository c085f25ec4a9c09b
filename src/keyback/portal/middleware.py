"""What every answer of the people's door carries: a tracking id, and no leave to keep it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import get_supported_language_variant

from keyback.portal.errors import not_ready
from keyback.portal.logs import TRACKING_KEY
from keyback.portal.organizations.lookup import NoOrganization

__all__ = [
    "LanguageMiddleware",
    "NoStoreMiddleware",
    "ReadyMiddleware",
    "TrackingMiddleware",
    "track",
    "tracking_id_of",
]

_Next = Callable[[HttpRequest], HttpResponse]


def tracking_id_of(request: HttpRequest) -> UUID:
    """The id of this operation: what the person sees as support code, and what stands in every log."""
    tracking_id: UUID = request.META[TRACKING_KEY]
    return tracking_id


def track(request: HttpRequest, tracking_id: UUID) -> None:
    """From here on the request is part of a longer operation, whose id it takes."""
    request.META[TRACKING_KEY] = tracking_id


class TrackingMiddleware:
    """Outermost, so that an answer of any other middleware and every error page has its id too."""

    def __init__(self, get_response: _Next) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        track(request, uuid.uuid4())
        response = self._get_response(request)
        response["Keyback-Tracking-Id"] = str(tracking_id_of(request))
        return response


class ReadyMiddleware:
    """Before the first organization is made there is nothing to serve but one sentence that says so."""

    def __init__(self, get_response: _Next) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return not_ready(request) if isinstance(exception, NoOrganization) else None


class LanguageMiddleware:
    """``?lang=de`` before the browser's own languages, on this page and, by a cookie of this session, on those after.
    Stands before Django's LocaleMiddleware, which reads that cookie. What is no language of ours changes nothing."""

    def __init__(self, get_response: _Next) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        asked = request.GET.get("lang", "")
        try:
            language = get_supported_language_variant(asked) if asked else None
        except LookupError:
            language = None
        if language is None:
            return self._get_response(request)
        request.COOKIES[settings.LANGUAGE_COOKIE_NAME] = language
        response = self._get_response(request)
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            language,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
        return response


class NoStoreMiddleware:
    """Pages are about one person at one moment. A view that may be kept says so itself."""

    def __init__(self, get_response: _Next) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._get_response(request)
        response.setdefault("Cache-Control", "no-store")
        return response
