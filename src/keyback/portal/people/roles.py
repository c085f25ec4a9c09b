"""Who of the people has an administrative role in the portal, and whom mails about an organization reach."""

from __future__ import annotations

import uuid

from keyback.portal.organizations.models import Administrator, Organization
from keyback.portal.organizations.setup import administrators
from keyback.portal.people.contacts import index_of
from keyback.portal.people.models import ContactDatum, Person, Spelling

__all__ = ["MOST_RECIPIENTS", "is_administrator", "told"]

MOST_RECIPIENTS = 100


def is_administrator(organization: Organization, person: Person | None) -> bool:
    """Whether this person is linked to an administrator of any role, or has an administrator's mail address as user ID
    or on file. The same queries for everybody."""
    person_id = person.id if person else uuid.uuid4()
    found = administrators(organization)
    linked = any(row.person_id == person_id for row, _ in found)
    named = Spelling.objects.filter(
        organization=organization, person_id=person_id, text__in=[address.casefold() for _, address in found]
    ).exists()
    reached = ContactDatum.objects.filter(
        organization=organization,
        person_id=person_id,
        kind=ContactDatum.Kind.MAIL,
        value_index__in=[index_of(organization.id, ContactDatum.Kind.MAIL, address) for _, address in found],
    ).exists()
    return linked or named or reached


def told(organization: Organization, *roles: Administrator.Role) -> list[tuple[Administrator, str]]:
    """Whom a mail to the first of these roles that anybody has reaches, each address once, at most 100."""
    found = administrators(organization)
    for role in roles:
        if there := {address.casefold(): (row, address) for row, address in found if row.role == role}:
            return list(there.values())[:MOST_RECIPIENTS]
    return []
