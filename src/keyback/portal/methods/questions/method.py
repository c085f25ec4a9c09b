"""What the list of methods says about security questions."""

from __future__ import annotations

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from keyback.portal.people.models import Person
from keyback.portal.people.policies import policy_for
from keyback.portal.securityinfo.registered import held

__all__ = ["METHOD", "QuestionsMethod"]


class QuestionsMethod:
    name = "questions"
    gate = "questions"
    start = "questions_start"
    enrol = "questions_add"
    noun = _("Security questions")
    title = _("Answer your security questions")
    description = _("You chose some questions, and answered them, when you registered.")

    def ready(self) -> bool:
        return True

    def masks(self, person: Person) -> list[str]:
        """Nothing where the policy asks for more answers by now than the person gave."""
        policy = policy_for(person.organization, person)
        counts = [len(found.secret["answers"]) for found in held(person, self.name, timezone.now())]
        if policy is None or not counts or counts[0] < policy.questions_asked:
            return []
        return [ngettext("%(count)d question", "%(count)d questions", counts[0]) % {"count": counts[0]}]


METHOD = QuestionsMethod()
