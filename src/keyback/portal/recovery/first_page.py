"""The first page as most people get it. It is the same for everybody but for three values, so that it is rendered once
for each look, and filled in for each visitor.

A form that comes back with an error, or with a user ID in it, is rendered whole like every other page.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest
from django.middleware.csrf import get_token
from django.template.loader import render_to_string
from django.utils.translation import get_language

from keyback.portal.humancheck import work
from keyback.portal.middleware import tracking_id_of
from keyback.portal.organizations.lookup import Front
from keyback.portal.screen import is_kiosk

__all__ = ["TEMPLATE", "first_page"]

TEMPLATE = "recovery/identify.html"
# Where each visitor's own values go. Random, so that nothing an organization calls itself can be one of them.
_CSRF_TOKEN, _SUPPORT_CODE, _WORK = (secrets.token_hex(16) for _ in range(3))


def first_page(request: HttpRequest, organization: Front, now: datetime, *, first: bool) -> str:
    """``first``: in the words for somebody who never had a password."""
    return (
        _rendered(get_language() or "en", organization.name, organization.slug, first, is_kiosk(request))
        .replace(_CSRF_TOKEN, get_token(request))
        .replace(_SUPPORT_CODE, str(tracking_id_of(request)))
        .replace(_WORK, work.element(now))
    )


@lru_cache(maxsize=1000)
def _rendered(language: str, name: str, slug: str, first: bool, kiosk: bool) -> str:
    """In the language that is active, which is ``language``. No request is at hand here: what is kept for all can hold
    nothing of one."""
    return render_to_string(
        TEMPLATE,
        {
            "LANGUAGE_CODE": language,
            "organization": {"name": name, "slug": slug},
            "product": settings.CONFIG.product,
            "kiosk": kiosk,
            "first": first,
            "csrf_token": _CSRF_TOKEN,
            "support_code": _SUPPORT_CODE,
            "work": _WORK,
        },
    )
