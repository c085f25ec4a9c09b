"""What the list of methods says about e-mail."""

from __future__ import annotations

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from keyback.portal.people.contacts import mask_mail
from keyback.portal.people.mailboxes import opening_mails
from keyback.portal.people.models import Person

__all__ = ["METHOD", "EmailMethod"]


class EmailMethod:
    name = "email"
    gate = "email"
    start = "email_send"
    enrol = "email_add"
    noun = _("E-mail address")
    title = _("Get a code by e-mail")
    description = _("We send 8 digits to an e-mail address that your organization has on file for you.")

    def ready(self) -> bool:
        return True

    def masks(self, person: Person) -> list[str]:
        return [mask_mail(address) for _datum, address in opening_mails(person, timezone.now())]


METHOD = EmailMethod()
