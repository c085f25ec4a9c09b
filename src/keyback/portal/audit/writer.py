"""The one function that writes audit entries. It joins the caller's transaction: what did not happen is not
written.

Personal values stand in rows of their own, encrypted; the entry holds only their salted hashes. Erasing the
row erases value and salt, and the chain of seals still verifies.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from keyback.portal import sql
from keyback.portal.audit.models import AuditEntry, AuditPersonal
from keyback.portal.audit.words import Activity, Result
from keyback.portal.vault import seal_value

__all__ = ["personal_hash", "write"]

_NOTHING: Mapping[str, str] = {}

# Written out, since every step of everybody writes one; Django takes three times as long to build these.
_ENTRY = f"""
INSERT INTO {AuditEntry._meta.db_table}
    (organization_id, at, activity, result, tracking_id, actor, details, personal_hashes)
VALUES (%(organization)s, %(at)s, %(activity)s, %(result)s, %(tracking)s, %(actor)s, %(details)s, %(hashes)s)
RETURNING id
"""  # noqa: S608 — a table's name
_PERSONAL = f"""
INSERT INTO {AuditPersonal._meta.db_table} (organization_id, entry_id, field, salt, value)
VALUES (%(organization)s, %(entry)s, %(field)s, %(salt)s, %(value)s)
"""  # noqa: S608 — a table's name


def write(
    organization_id: UUID,
    activity: Activity,
    *,
    result: Result,
    actor: str,
    now: datetime,
    tracking_id: UUID | None = None,
    details: Mapping[str, str | int | bool | None] = _NOTHING,
    personal: Mapping[str, str] = _NOTHING,
) -> int:
    """The entry's number. ``actor``: ``self``, ``system``, ``agent:<id>``, ``admin:<id>`` or ``operator:<login>``.

    ``details`` are for good: codes, counts, ids. Whatever names or reaches a person belongs into
    ``personal``.
    """
    salts = {field: secrets.token_bytes(16) for field in personal}
    values = sql.values(
        organization=organization_id,
        at=now,
        activity=activity.value,
        result=result.value,
        tracking=tracking_id,
        actor=actor,
        details=dict(details),
        hashes={field: personal_hash(salts[field], value) for field, value in personal.items()},
    )
    # Without a savepoint: two statements less for each entry, and nobody goes on after a failed one.
    with transaction.atomic(savepoint=False), connection.cursor() as cursor:
        cursor.execute(_ENTRY, values)
        number = int(cursor.fetchone()[0])
        for field, value in personal.items():
            sealed = seal_value(organization_id, number, field, value)
            about = sql.values(organization=organization_id, entry=number, field=field, salt=salts[field], value=sealed)
            cursor.execute(_PERSONAL, about)
    return number


def personal_hash(salt: bytes, value: str) -> str:
    """Hex SHA-256 over salt and value: once the salt is gone, a guess cannot be checked."""
    return hashlib.sha256(salt + value.encode()).hexdigest()
