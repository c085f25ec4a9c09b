"""Which mailboxes prove something. One that opens with the very password that was forgotten does not: whoever forgot it
reads no code there, and whoever stole it does."""

from __future__ import annotations

import json
from datetime import datetime
from uuid import UUID

from django.db import connection

from keyback.portal import sql
from keyback.portal.organizations.lookup import domain_of
from keyback.portal.organizations.models import Domain, Organization
from keyback.portal.people.contacts import mails_of, usable
from keyback.portal.people.models import ContactDatum, Person

__all__ = ["is_own", "opening_mails", "own_domains"]


def own_domains(organization_id: UUID) -> frozenset[str]:
    """The domains whose mailboxes open with the password of the account: those that the organization named, or all its
    verified ones."""
    with connection.cursor() as cursor:
        cursor.execute(_NAMED_AND_VERIFIED, sql.values(organization=organization_id))
        rows = cursor.fetchall()
    named = rows[0][0]
    return frozenset(name for _, name in rows if name) if named is None else frozenset(json.loads(named))


_NAMED_AND_VERIFIED = f"""
SELECT o.own_mail_domains, d.name FROM {Organization._meta.db_table} o
LEFT JOIN {Domain._meta.db_table} d ON d.organization_id = o.id AND d.verified_at IS NOT NULL
WHERE o.id = %(organization)s
"""  # noqa: S608 — table names


def is_own(address: str, own: frozenset[str]) -> bool:
    return domain_of(address) in own


def opening_mails(person: Person, now: datetime) -> list[tuple[ContactDatum, str]]:
    """Every mail address that may open a gate at ``now``, with its row, in the order in which they are offered."""
    own = own_domains(person.organization_id)
    return [(row, address) for row, address in usable(mails_of(person), now) if not is_own(address, own)]
