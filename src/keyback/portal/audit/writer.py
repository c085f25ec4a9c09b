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

from django.db import transaction

from keyback.portal.audit.models import AuditEntry, AuditPersonal
from keyback.portal.audit.words import Activity, Result
from keyback.portal.vault import seal_value

__all__ = ["personal_hash", "write"]

_NOTHING: Mapping[str, str] = {}


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
) -> AuditEntry:
    """``actor``: ``self``, ``system``, ``agent:<id>``, ``admin:<id>`` or ``operator:<login>``.

    ``details`` are for good: codes, counts, ids. Whatever names or reaches a person belongs into
    ``personal``.
    """
    salts = {field: secrets.token_bytes(16) for field in personal}
    # Without a savepoint: two statements less for each entry, and nobody goes on after a failed one.
    with transaction.atomic(savepoint=False):
        entry = AuditEntry.objects.create(
            organization_id=organization_id,
            at=now,
            activity=activity.value,
            result=result.value,
            tracking_id=tracking_id,
            actor=actor,
            details=dict(details),
            personal_hashes={field: personal_hash(salts[field], value) for field, value in personal.items()},
        )
        AuditPersonal.objects.bulk_create(
            AuditPersonal(
                organization_id=organization_id,
                entry=entry,
                field=field,
                salt=salts[field],
                value=seal_value(organization_id, entry.pk, field, value),
            )
            for field, value in personal.items()
        )
    return entry


def personal_hash(salt: bytes, value: str) -> str:
    """Hex SHA-256 over salt and value: once the salt is gone, a guess cannot be checked."""
    return hashlib.sha256(salt + value.encode()).hexdigest()
