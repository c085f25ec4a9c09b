"""Django as a WSGI application, for ``keyback serve`` and ``keyback serve-people``."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

from keyback.portal import config, connections

__all__ = ["application"]

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "keyback.portal.settings")
_django = get_wsgi_application()
connections.instead_of_djangos()
_SCHEME = "https" if config.read().secure else "http"


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """``public_url`` says how people reach the portal; where a proxy ends TLS before it, this hop is plain http on
    loopback, and Django must not take that for the person's own connection (it compares Origin with it)."""
    environ["wsgi.url_scheme"] = _SCHEME
    return _django(environ, start_response)
