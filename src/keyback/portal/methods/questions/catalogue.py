"""Which questions there are: 35 of ours, in every language, and up to 20 of the organization's own."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from keyback.errors import KeybackError
from keyback.portal.audit.words import Activity, Result
from keyback.portal.audit.writer import write
from keyback.portal.organizations.models import Organization
from keyback.portal.securityinfo.models import OwnQuestion

__all__ = ["MOST_OWN", "PREDEFINED", "QuestionRefused", "add_own", "offered", "remove_own"]

MOST_OWN = 20
SHORTEST, LONGEST = 3, 200

# The key of a question never changes its meaning: answers are bound to it.
PREDEFINED = {
    "first-job-place": _("In which town was your first job?"),
    "first-job-boss": _("What was the first name of your first boss?"),
    "first-car": _("What was your first car (make and model)?"),
    "first-bike": _("What colour was your first bicycle?"),
    "first-pet": _("What was your first pet called?"),
    "first-flight": _("Where did your first flight take you?"),
    "first-concert": _("Who played at the first concert you went to?"),
    "first-film": _("Which film did you see first in a cinema?"),
    "first-computer": _("Which computer did you use first?"),
    "first-phone": _("Which was the first mobile phone you owned?"),
    "first-school": _("What was your first school called?"),
    "first-friend": _("What was your first best friend called?"),
    "first-dish": _("Which dish did you learn to cook first?"),
    "first-flat": _("In which street was the first flat of your own?"),
    "first-foreign-country": _("Which was the first foreign country you visited?"),
    "teacher-favourite": _("What was your favourite teacher's surname?"),
    "teacher-dreaded": _("Which teacher did you like least?"),
    "school-way": _("Which shop or house did you pass on your way to school?"),
    "school-seat": _("Who sat next to you in your last year at school?"),
    "child-nickname": _("What were you called by your friends as a child?"),
    "child-dream": _("What did you want to become when you were ten?"),
    "child-hero": _("Who was your hero when you were a child?"),
    "child-toy": _("Which was your dearest toy?"),
    "child-street": _("In which street did you live when you were eight?"),
    "child-phone": _("What were the last four digits of your first telephone number at home?"),
    "child-book": _("Which book was read to you most often?"),
    "child-holiday": _("Where did you spend your best holiday as a child?"),
    "grandmother-birthplace": _("Where was your mother's mother born?"),
    "grandfather-work": _("What did your father's father do for a living?"),
    "parents-met": _("In which town did your parents meet?"),
    "cousin-oldest": _("What is your oldest cousin's first name?"),
    "godparent": _("What is the first name of an aunt or uncle whom you were fond of?"),
    "partner-met": _("Where did you meet your partner?"),
    "sport-hero": _("Which sportsperson or team did you cheer for first?"),
    "worst-food": _("Which food could you not stand as a child?"),
}


class QuestionRefused(KeybackError):
    """The text says why."""

    code = "question_refused"


def offered(organization: Organization) -> dict[str, str]:
    """Key → question, in the language of the page; the organization's own last."""
    own = OwnQuestion.objects.filter(organization=organization).order_by("text")
    return {key: str(text) for key, text in PREDEFINED.items()} | {str(row.pk): row.text for row in own}


def add_own(organization: Organization, text: str, *, by: str, now: datetime) -> OwnQuestion:
    """Raises QuestionRefused."""
    text = " ".join(text.split())
    if not SHORTEST <= len(text) <= LONGEST or not text.isprintable():
        raise QuestionRefused(f"a question has {SHORTEST} to {LONGEST} characters")
    with transaction.atomic():
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        texts = OwnQuestion.objects.filter(organization=organization).values_list("text", flat=True)
        if text.casefold() in {one.casefold() for one in (*texts, *map(str, PREDEFINED.values()))}:
            raise QuestionRefused("there is such a question already")
        if len(texts) >= MOST_OWN:
            raise QuestionRefused(f"there are {MOST_OWN} questions of your own already")
        row = OwnQuestion.objects.create(organization=organization, text=text)
        _audit(organization, "added", row, by, now)
    return row


def remove_own(organization: Organization, question_id: UUID, *, by: str, now: datetime) -> None:
    """Nobody can choose it any more; who has answered it keeps it. Raises QuestionRefused."""
    row = OwnQuestion.objects.filter(organization=organization, pk=question_id).first()
    if row is None:
        raise QuestionRefused("there is no such question of your own")
    with transaction.atomic():
        OwnQuestion.objects.filter(pk=row.pk).delete()
        _audit(organization, "removed", row, by, now)


def _audit(organization: Organization, what: str, row: OwnQuestion, by: str, now: datetime) -> None:
    write(
        organization.pk,
        Activity.OWN_QUESTIONS_CHANGED,
        result=Result.SUCCESS,
        actor=by,
        now=now,
        details={what: row.text, "question": str(row.pk)},
    )
