"""A recovery with its organization and its person, in one statement that is written out.

Each page begins with it, and each outcome; Django takes ten times as long to build the question as the database to
answer it.
"""

from __future__ import annotations

from uuid import UUID

from django.db import connection

from keyback.portal import sql
from keyback.portal.organizations.models import Organization
from keyback.portal.people.models import Person
from keyback.portal.recovery.models import Recovery

__all__ = ["found", "locked", "waiting_for"]

# Nobody's recovery is read with somebody's row, which is thrown away: to read a row and to turn it into a person takes
# time, and the clock would tell who exists.
_FOUND = (
    f"SELECT {sql.columns(Recovery, 'r')}, {sql.columns(Organization, 'o')}, {sql.columns(Person, 'p')} "  # noqa: S608 — table names
    f"FROM {Recovery._meta.db_table} r JOIN {Organization._meta.db_table} o ON o.id = r.organization_id "
    f"LEFT JOIN {Person._meta.db_table} p ON p.id = COALESCE(r.person_id, "
    f"(SELECT id FROM {Person._meta.db_table} WHERE id > r.id ORDER BY id LIMIT 1), "
    f"(SELECT id FROM {Person._meta.db_table} ORDER BY id LIMIT 1)) WHERE "
)


def found(recovery_id: UUID) -> Recovery | None:
    return _one("r.id = %(id)s", id=recovery_id)


def locked(recovery: Recovery) -> Recovery:
    """The row as it is now, held until the transaction ends. Only inside a transaction. Raises
    Recovery.DoesNotExist."""
    condition = "r.id = %(id)s AND r.organization_id = %(organization)s" + _lock()
    now = _one(condition, id=recovery.id, organization=recovery.organization_id)
    if now is None:
        raise Recovery.DoesNotExist
    return now


def waiting_for(organization_id: UUID, request_id: UUID) -> Recovery | None:
    """Whose writeback request it is, held until the transaction ends."""
    condition = "r.organization_id = %(organization)s AND r.request_id = %(request)s" + _lock()
    return _one(condition, organization=organization_id, request=request_id)


def _lock() -> str:
    # SQLite has one writer at a time anyway.
    return " FOR UPDATE OF r" if connection.features.has_select_for_update_of else ""


def _one(condition: str, **given: UUID) -> Recovery | None:
    for recovery, organization, person in sql.instances(
        _FOUND + condition, sql.values(**given), Recovery, Organization, Person
    ):
        recovery.organization = organization
        if person is not None:
            person.organization = organization
        recovery.person = None if recovery.person_id is None else person
        found: Recovery = recovery
        return found
    return None
