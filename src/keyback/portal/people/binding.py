"""Which account of a directory a person stands for, vouched for by a key outside the database.

Whoever can write the database could otherwise put another account's objectGUID into somebody's row, and have an
administrator's or a person's own reset carried out on that account.
"""

from __future__ import annotations

import hmac

from django.conf import settings

from keyback.errors import KeybackError
from keyback.portal.people.models import Person

__all__ = ["PersonBent", "binding_of", "check_binding"]


class PersonBent(KeybackError):
    """The row is not as synchronisation wrote it: somebody else changed the database."""

    code = "person_bent"


def binding_of(person: Person) -> bytes:
    """What synchronisation keeps in ``Person.binding``: 32 bytes over organization, person, forest, object and user
    ID."""
    digest: bytes = settings.KEYRING.blind_index(
        "person",
        str(person.organization_id),
        str(person.pk),
        str(person.forest_id),
        str(person.object_guid),
        person.user_id,
    )
    return digest


def check_binding(person: Person) -> None:
    """Raises PersonBent."""
    if not hmac.compare_digest(bytes(person.binding or b""), binding_of(person)):
        raise PersonBent("this person's row was changed by something else than synchronisation; run one, and look why")
