"""What the list of methods says about temporary access passes."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from keyback.portal.moments import told
from keyback.portal.people.models import Person
from keyback.portal.securityinfo.registered import Registered, held

__all__ = ["METHOD", "AccessPassMethod", "until", "valid"]


class AccessPassMethod:
    name = "access_pass"
    gate = "access_pass"
    start = "access_pass_start"
    enrol = ""
    noun = _("Temporary access pass")
    title = _("Type a temporary access pass")
    description = _("Your helpdesk gave you one.")

    def ready(self) -> bool:
        return True

    def masks(self, person: Person) -> list[str]:
        now = timezone.now()
        return [
            _("until %(until)s UTC") % {"until": told(until(found))}
            for found in held(person, self.name, now)
            if valid(found, now)
        ]


def until(found: Registered) -> datetime:
    return datetime.fromisoformat(found.secret["until"])


def valid(found: Registered, now: datetime) -> bool:
    """Neither over nor used up."""
    return now < until(found) and not (found.secret["once"] and found.row.used_at is not None)


METHOD = AccessPassMethod()
