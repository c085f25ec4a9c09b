"""The organization's accent colour as a style sheet of its own: the policy of the pages allows no style inside them."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse

from keyback.portal.accent import shades
from keyback.portal.errors import only
from keyback.portal.organizations.models import Organization

__all__ = ["stylesheet"]


@only("GET")
def stylesheet(request: HttpRequest, slug: str) -> HttpResponse:
    accent = Organization.objects.filter(slug=slug).values_list("accent", flat=True).first()
    if accent is None:
        raise Http404
    found = shades(accent)
    text = (
        f":root{{--accent:{found.light};--on-accent:{found.on_light}}}\n"
        f"@media (prefers-color-scheme:dark){{:root{{--accent:{found.dark};--on-accent:{found.on_dark}}}}}\n"
    )
    response = HttpResponse(text, content_type="text/css; charset=utf-8")
    response["Cache-Control"] = "public, max-age=300"
    return response
