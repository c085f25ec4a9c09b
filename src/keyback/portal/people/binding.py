"""Which account of a directory a person stands for, vouched for by a key outside the database.

Whoever can write the database could otherwise put another account's objectGUID into somebody's row, and have an
administrator's or a person's own reset carried out on that account.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from uuid import UUID

from django.conf import settings

from keyback.errors import KeybackError
from keyback.portal.people.models import Person

__all__ = ["Binder", "PersonBent", "binder", "binding_of", "check_binding"]

Binder = Callable[[UUID, UUID | None, str], bytes]
"""From a person's primary key, objectGUID and user ID."""


class PersonBent(KeybackError):
    """The row is not as synchronisation wrote it: somebody else changed the database."""

    code = "person_bent"


def binding_of(person: Person) -> bytes:
    """What synchronisation keeps in ``Person.binding``."""
    return binder(person.organization_id, person.forest_id)(person.pk, person.object_guid, person.user_id)


def binder(organization_id: UUID, forest_id: UUID | None) -> Binder:
    """The same, 32 bytes, for many people of one forest."""
    organization, forest, blind_index = str(organization_id), str(forest_id), settings.KEYRING.blind_index

    def bound(person_id: UUID, object_guid: UUID | None, user_id: str) -> bytes:
        digest: bytes = blind_index("person", organization, str(person_id), forest, str(object_guid), user_id)
        return digest

    return bound


def check_binding(person: Person) -> None:
    """Raises PersonBent."""
    if not hmac.compare_digest(bytes(person.binding or b""), binding_of(person)):
        raise PersonBent("this person's row was changed by something else than synchronisation; run one, and look why")
