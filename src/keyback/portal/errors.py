"""The plain error pages. None of them needs the database, since it may be what is missing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus

from django.core.exceptions import RequestDataTooBig
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

__all__ = [
    "bad_request",
    "csrf_failure",
    "forbidden",
    "method_not_allowed",
    "not_found",
    "not_ready",
    "only",
    "server_error",
]

View = Callable[..., HttpResponse]


def _page(request: HttpRequest, status: HTTPStatus, title: str, text: str) -> HttpResponse:
    return render(request, "error.html", {"title": title, "text": text, "status": status.value}, status=status.value)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400, and 413 where the request was simply too large."""
    if isinstance(exception, RequestDataTooBig):
        return _page(
            request,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            _("That was too much at once"),
            _("What your browser sent is larger than any of our forms. Go back and try again with less."),
        )
    return _page(
        request,
        HTTPStatus.BAD_REQUEST,
        _("We could not read that"),
        _("What your browser sent does not fit this page. Go back, load the page again and fill it in once more."),
    )


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return _page(
        request,
        HTTPStatus.FORBIDDEN,
        _("Please load the page again"),
        _(
            "The page was open for too long, or your browser does not keep cookies. Allow cookies for this site, go "
            "back, load the page again and repeat the last step."
        ),
    )


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, HTTPStatus.FORBIDDEN, _("This is not possible here"), str(exception))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(
        request,
        HTTPStatus.NOT_FOUND,
        _("There is no such page"),
        _("Check the address. If a link brought you here, the page may have moved."),
    )


def method_not_allowed(request: HttpRequest, allowed: tuple[str, ...]) -> HttpResponse:
    response = _page(
        request,
        HTTPStatus.METHOD_NOT_ALLOWED,
        _("This page cannot be used like that"),
        _("Start again from the first page."),
    )
    response["Allow"] = ", ".join(allowed)
    return response


def not_ready(request: HttpRequest) -> HttpResponse:
    return _page(
        request,
        HTTPStatus.SERVICE_UNAVAILABLE,
        _("This site is not set up yet"),
        _("No organization has been made here. The operator of this site does that with “keyback org create”."),
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """500, and 503 with a time to wait where the database did not answer. Django calls this while the exception is
    being handled."""
    busy = isinstance(sys.exc_info()[1], OperationalError)
    response = _page(
        request,
        HTTPStatus.SERVICE_UNAVAILABLE if busy else HTTPStatus.INTERNAL_SERVER_ERROR,
        _("Something went wrong on our side"),
        _(
            "It is not your fault, and nothing was changed that you were not told of. Try again in a few minutes. If "
            "it happens again, tell your administrator the support code below."
        ),
    )
    if busy:
        response["Retry-After"] = "30"
    return response


def only(*methods: str) -> Callable[[View], View]:
    """The HTTP methods that a view answers; others get a page that says so (405)."""

    def wrap(view: View) -> View:
        @wraps(view)
        def inner(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
            if request.method not in methods and not (request.method == "HEAD" and "GET" in methods):
                return method_not_allowed(request, methods)
            return view(request, *args, **kwargs)

        return inner

    return wrap
