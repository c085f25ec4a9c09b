"""Using a passkey. The page is the same for everybody: the browser offers what it has for this site."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _

from keyback.flows import State
from keyback.portal.methods import pages
from keyback.portal.methods.passkey import ceremony, proof
from keyback.portal.methods.passkey.method import METHOD
from keyback.portal.recovery.guard import posted, step
from keyback.portal.recovery.models import Recovery

__all__ = ["LONGEST_ANSWER", "start", "use"]

LONGEST_ANSWER = 16_384


@step(State.PROVE, methods=("POST",))
def start(request: HttpRequest, recovery: Recovery) -> HttpResponse:
    posted(request, recovery, {})
    proof.ask(recovery, timezone.now())
    return redirect("passkey_use")


@step(State.PROVE)
def use(request: HttpRequest, recovery: Recovery) -> HttpResponse:
    if not pages.is_offered(recovery, METHOD.name) or proof.challenge_of(recovery) is None:
        return redirect("recover_prove")
    if request.method == "GET":
        return _page(request, recovery)
    answer = posted(request, recovery, {"answer": LONGEST_ANSWER})["answer"]

    def wrong() -> HttpResponse:
        proof.ask(recovery, timezone.now())
        return _page(
            request, recovery, _("That passkey is not on file for this account. Try once more, or another way.")
        )

    return pages.proved(request, recovery, lambda client, now: proof.try_answer(recovery, answer, client, now), wrong)


def _page(request: HttpRequest, recovery: Recovery, error: str = "") -> HttpResponse:
    options = ceremony.to_use(proof.challenge_of(recovery) or b"")
    return pages.page(request, recovery, "methods/passkey/use.html", "use-passkey", error, options=options)
