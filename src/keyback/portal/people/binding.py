"""Which account of a directory a person stands for, vouched for by a key outside the database.

Whoever can write the database could otherwise put another account's objectGUID into somebody's row, and have an
administrator's or a person's own reset carried out on that account.
"""

from __future__ import annotations

import hmac
from uuid import UUID

from django.conf import settings

from keyback.errors import KeybackError
from keyback.portal.people.models import Person

__all__ = ["PersonBent", "binding_of", "bound", "check_binding"]


class PersonBent(KeybackError):
    """The row is not as synchronisation wrote it: somebody else changed the database."""

    code = "person_bent"


def binding_of(person: Person) -> bytes:
    """What synchronisation keeps in ``Person.binding``."""
    return bound(person.organization_id, person.pk, person.forest_id, person.object_guid, person.user_id)


def bound(
    organization_id: UUID, person_id: UUID, forest_id: UUID | None, object_guid: UUID | None, user_id: str
) -> bytes:
    """The same from a row's values: 32 bytes."""
    digest: bytes = settings.KEYRING.blind_index(
        "person", str(organization_id), str(person_id), str(forest_id), str(object_guid), user_id
    )
    return digest


def check_binding(person: Person) -> None:
    """Raises PersonBent."""
    if not hmac.compare_digest(bytes(person.binding or b""), binding_of(person)):
        raise PersonBent("this person's row was changed by something else than synchronisation; run one, and look why")
