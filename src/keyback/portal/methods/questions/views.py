"""Answering. After a wrong answer others are asked, so that nobody can try one question until it gives way."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from keyback.flows import State
from keyback.portal.methods import challenges, pages
from keyback.portal.methods.codes import latest
from keyback.portal.methods.questions.draw import draw
from keyback.portal.methods.questions.method import METHOD
from keyback.portal.methods.questions.proof import try_answers
from keyback.portal.recovery.guard import posted, step
from keyback.portal.recovery.models import Challenge, Recovery

__all__ = ["LONGEST_TYPED", "answer"]

LONGEST_TYPED = 200


@sensitive_post_parameters()
@step(State.PROVE)
def answer(request: HttpRequest, recovery: Recovery) -> HttpResponse:
    challenge = latest(recovery, METHOD.name)
    if not pages.is_offered(recovery, METHOD.name) or challenge is None:
        return redirect("recover_prove")
    if request.method == "GET":
        return _page(request, recovery, challenge)
    drawn = draw(recovery, challenge)
    names = [f"answer-{number}" for number in range(1, len(drawn.asked) + 1)]
    fields = posted(request, recovery, {"draw": 36, **dict.fromkeys(names, LONGEST_TYPED)})
    if fields["draw"] != str(challenge.id):
        # A page with other questions, in another tab: its answers would all be wrong.
        return _page(request, recovery, challenge)
    typed = [fields[name] for name in names]
    if empty := next((name for name, text in zip(names, typed, strict=True) if not text.strip()), None):
        return _page(request, recovery, challenge, empty, _("Answer all of them."))

    def wrong() -> HttpResponse:
        again = challenges.ask(recovery, METHOD.name, timezone.now())
        return _page(request, recovery, again, names[0], _("Not all of that was right. Answer these, please."))

    return pages.proved(
        request,
        recovery,
        lambda client, now: try_answers(recovery, challenge, drawn, typed, client=client, now=now),
        wrong,
    )


def _page(
    request: HttpRequest, recovery: Recovery, challenge: Challenge, field: str = "", error: str = ""
) -> HttpResponse:
    drawn = draw(recovery, challenge)
    return pages.page(
        request,
        recovery,
        "methods/questions/answer.html",
        field,
        error,
        draw=challenge.id,
        questions=[(f"answer-{number}", one.text) for number, one in enumerate(drawn.asked, 1)],
        padding="." * drawn.padding,
        longest=LONGEST_TYPED,
    )
