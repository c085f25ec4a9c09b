"""Who of the people has an administrative role in the portal, and whom mails about an organization reach."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from django.db import connection

from keyback.portal import sql
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
    if not found:
        return False
    linked = any(row.person_id == person_id for row, _ in found)
    texts = {f"text{number}": address.casefold() for number, (_, address) in enumerate(found)}
    indexes = {
        f"index{number}": index_of(organization.id, ContactDatum.Kind.MAIL, address)
        for number, (_, address) in enumerate(found)
    }
    statement = _NAMED.format(texts=_marks(texts), indexes=_marks(indexes))
    with connection.cursor() as cursor:
        cursor.execute(statement, sql.values(organization=organization.id, person=person_id, **texts, **indexes))
        named = bool(cursor.fetchone()[0])
    return linked or named


_NAMED = f"""
SELECT EXISTS (SELECT 1 FROM {Spelling._meta.db_table}
    WHERE organization_id = %(organization)s AND person_id = %(person)s AND text IN ({{texts}}))
OR EXISTS (SELECT 1 FROM {ContactDatum._meta.db_table}
    WHERE organization_id = %(organization)s AND person_id = %(person)s AND kind = 'mail'
    AND value_index IN ({{indexes}}))
"""  # noqa: S608 — table names


def _marks(names: Iterable[str]) -> str:
    return ", ".join(f"%({name})s" for name in names)


def told(organization: Organization, *roles: Administrator.Role) -> list[tuple[Administrator, str]]:
    """Whom a mail to the first of these roles that anybody has reaches, each address once, at most 100."""
    found = administrators(organization)
    for role in roles:
        if there := {address.casefold(): (row, address) for row, address in found if row.role == role}:
            return list(there.values())[:MOST_RECIPIENTS]
    return []
