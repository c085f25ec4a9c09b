"""Typing a pass."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from keyback.flows import State
from keyback.portal.methods import pages
from keyback.portal.methods.access_pass.method import METHOD
from keyback.portal.methods.access_pass.passes import LENGTHS, normal
from keyback.portal.methods.access_pass.proof import try_pass
from keyback.portal.recovery.guard import posted, step
from keyback.portal.recovery.models import Recovery

__all__ = ["typed"]


@sensitive_post_parameters()
@step(State.PROVE)
def typed(request: HttpRequest, recovery: Recovery) -> HttpResponse:
    if not pages.is_offered(recovery, METHOD.name):
        return redirect("recover_prove")
    if request.method == "GET":
        return _page(request, recovery)
    text = posted(request, recovery, {"pass": 200})["pass"]
    least, most = LENGTHS
    if not least <= len(normal(text)) <= most:
        return _page(
            request, recovery, _("A pass has at least %(least)d characters. Type all of it.") % {"least": least}
        )
    wrong = _("That pass does not work, or not any more. Look whether you typed it as it was given to you.")
    return pages.proved(
        request,
        recovery,
        lambda client, now: try_pass(recovery, text, client, now),
        lambda: _page(request, recovery, wrong),
    )


def _page(request: HttpRequest, recovery: Recovery, error: str = "") -> HttpResponse:
    return pages.page(request, recovery, "methods/access_pass/typed.html", "pass", error)
