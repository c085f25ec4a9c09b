"""The page on which people choose their questions and answer them."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from keyback.portal.inputs import form_fields
from keyback.portal.methods.questions import catalogue
from keyback.portal.methods.questions.answers import LONGEST, SHORTEST
from keyback.portal.methods.questions.enrol import Chosen, Mistake, mistakes, put_on_file
from keyback.portal.methods.questions.method import METHOD
from keyback.portal.methods.questions.views import LONGEST_TYPED
from keyback.portal.people.policies import policy_for
from keyback.portal.securityinfo.enrolling import Enrolment, added, enrolling, page

__all__ = ["add"]


@sensitive_post_parameters()
@enrolling(METHOD.name)
def add(request: HttpRequest, enrolment: Enrolment) -> HttpResponse:
    offered = catalogue.offered(enrolment.person.organization)
    count = _count(enrolment)
    if request.method == "GET":
        return _page(request, enrolment, offered, [""] * count)
    numbers = range(1, count + 1)
    names = {f"question-{n}": 36 for n in numbers} | {f"answer-{n}": LONGEST_TYPED for n in numbers}
    fields = form_fields(request, names)
    chosen = [Chosen(fields[f"question-{n}"], fields[f"answer-{n}"]) for n in numbers]
    if found := mistakes(chosen, offered):
        return _page(request, enrolment, offered, [one.key for one in chosen], found)
    put_on_file(
        enrolment.person,
        chosen,
        offered,
        by="self",
        now=timezone.now(),
        opens_from=enrolment.opens_from,
        tracking_id=enrolment.tracking_id,
    )
    return added(request, enrolment)


def _count(enrolment: Enrolment) -> int:
    policy = policy_for(enrolment.person.organization, enrolment.person)
    return max(policy.questions_registered, policy.questions_asked) if policy else 0


def _page(
    request: HttpRequest,
    enrolment: Enrolment,
    offered: dict[str, str],
    chosen: list[str],
    found: list[Mistake] | None = None,
) -> HttpResponse:
    """The answers that were typed are not sent back."""
    errors = {f"{one.about}-{one.number}": _text(one) for one in found or ()}
    rows = [
        {
            "number": number,
            "chosen": key,
            "question_error": errors.get(f"question-{number}", ""),
            "answer_error": errors.get(f"answer-{number}", ""),
        }
        for number, key in enumerate(chosen, 1)
    ]
    return page(
        request,
        enrolment,
        "methods/questions/add.html",
        list(errors.items()),
        rows=rows,
        offered=list(offered.items()),
        longest=LONGEST_TYPED,
    )


def _text(mistake: Mistake) -> str:
    if mistake.about == "question":
        return _("Choose a question.") if mistake.code == "unknown" else _("Choose each question once.")
    if mistake.code == "twice":
        return _("Give each answer once.")
    return _("An answer has %(shortest)d to %(longest)d characters.") % {"shortest": SHORTEST, "longest": LONGEST}
