"""Using a passkey. The page is the same for everybody: the browser offers what it has for this site."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _

from keyback.flows import State
from keyback.portal.methods import challenges, pages
from keyback.portal.methods.codes import latest
from keyback.portal.methods.passkey import ceremony, proof
from keyback.portal.methods.passkey.method import METHOD
from keyback.portal.recovery.guard import posted, step
from keyback.portal.recovery.models import Challenge, Recovery

__all__ = ["LONGEST_ANSWER", "use"]

LONGEST_ANSWER = 16_384


@step(State.PROVE)
def use(request: HttpRequest, recovery: Recovery) -> HttpResponse:
    asked = latest(recovery, METHOD.name)
    if not pages.is_offered(recovery, METHOD.name) or asked is None:
        return redirect("recover_prove")
    if request.method == "GET":
        return _page(request, recovery, asked)
    answer = posted(request, recovery, {"answer": LONGEST_ANSWER})["answer"]

    def wrong() -> HttpResponse:
        again = challenges.ask(recovery, METHOD.name, timezone.now())
        return _page(
            request, recovery, again, _("That passkey is not on file for this account. Try once more, or another way.")
        )

    return pages.proved(
        request, recovery, lambda client, now: proof.try_answer(recovery, asked, answer, client, now), wrong
    )


def _page(request: HttpRequest, recovery: Recovery, asked: Challenge, error: str = "") -> HttpResponse:
    options = ceremony.to_use(challenges.bytes_of(asked, recovery))
    return pages.page(request, recovery, "methods/passkey/use.html", "use-passkey", error, options=options)
