"""What every template may use."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from keyback.portal.middleware import tracking_id_of
from keyback.portal.screen import is_kiosk

__all__ = ["page"]


def page(request: HttpRequest) -> dict[str, Any]:
    """The product's name and the support code. No database here: error pages use it when there is none."""
    return {
        "product": settings.CONFIG.product,
        "support_code": tracking_id_of(request),
        "kiosk": is_kiosk(request),
    }
