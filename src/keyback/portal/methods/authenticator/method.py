"""What the list of methods says about authenticator apps and hardware tokens."""

from __future__ import annotations

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from keyback.portal.people.models import Person
from keyback.portal.securityinfo.registered import held

__all__ = ["METHOD", "MOST", "AuthenticatorMethod"]

MOST = 5
"""Apps and tokens of one person, together."""


class AuthenticatorMethod:
    name = "authenticator"
    gate = "authenticator"
    start = "authenticator_start"
    enrol = "authenticator_add"
    noun = _("Authenticator app")
    title = _("Type a code from an authenticator app")
    description = _("An app on your phone, or a small token, shows 6 digits that change all the time.")

    def ready(self) -> bool:
        return True

    def masks(self, person: Person) -> list[str]:
        return [found.row.label for found in held(person, self.name, timezone.now())]


METHOD = AuthenticatorMethod()
