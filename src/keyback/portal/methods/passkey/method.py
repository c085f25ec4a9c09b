"""What the list of methods says about passkeys."""

from __future__ import annotations

from ipaddress import ip_address

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from keyback.portal.people.models import Person
from keyback.portal.securityinfo.registered import held

__all__ = ["METHOD", "MOST", "PasskeyMethod"]

MOST = 10


class PasskeyMethod:
    name = "passkey"
    gate = "passkey"
    start = "passkey_start"
    enrol = "passkey_add"
    noun = _("Passkey")
    title = _("Use a passkey")
    description = _("Your phone, computer or security key says that it is you: by fingerprint, face or PIN.")

    def ready(self) -> bool:
        """A passkey belongs to a name; browsers make none for a bare address."""
        try:
            ip_address(settings.CONFIG.host)
        except ValueError:
            return True
        return False

    def masks(self, person: Person) -> list[str]:
        return [found.row.label for found in held(person, self.name, timezone.now())]


METHOD = PasskeyMethod()
