"""The audit's chain: entries are sealed in batches, each seal signs everything before it, and the heads leave the
database.

An entry's digest covers all of it but the personal values, of which it holds salted hashes. ``head = SHA-256(previous
head || digests)``. Whoever writes the database cannot change, add or remove a sealed entry without the signing key,
which is kept outside; whoever also cuts off the newest seals is found out by the exported heads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from django.conf import settings
from django.db import connection, transaction

from keyback.portal.audit import heads
from keyback.portal.audit.models import AuditEntry, AuditPersonal, AuditSeal
from keyback.portal.audit.writer import personal_hash
from keyback.portal.organizations.models import Organization
from keyback.portal.vault import VaultMismatch, open_value
from keyback.protocol.encoding import canonical_json

__all__ = ["Report", "seal_batch", "verify"]

_BATCH = 1000
_NO_HEAD = bytes(32)
_LOCK = 0x6B657962  # "keyb": PostgreSQL's advisory locks have numbers


@dataclass(slots=True)
class Report:
    """``ok``: nothing was found. ``problems``: one line each."""

    seals: int = 0
    entries: int = 0
    unsealed: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.problems


def seal_batch(now: datetime) -> int:
    """Seals what is not sealed yet, for every organization. How many entries."""
    waiting = (
        AuditEntry.objects.filter(seal__isnull=True).order_by().values_list("organization_id", flat=True).distinct()
    )
    sealed = 0
    for organization in [Organization(pk=pk) for pk in waiting]:
        while batch := _seal(organization, now):
            sealed += batch
    heads.export(now)
    return sealed


def _seal(organization: Organization, now: datetime) -> int:
    with transaction.atomic():
        _only_one_sealer()
        # By their being unsealed, never by their number: of two transactions that overlap, the one that commits last
        # may have the lower number, and would be passed over for good.
        rows = list(AuditEntry.objects.filter(organization=organization, seal__isnull=True).order_by("id")[:_BATCH])
        if not rows:
            return 0
        last = AuditSeal.objects.filter(organization=organization).order_by("-number").first()
        previous = bytes(last.head) if last else _NO_HEAD
        number = last.number + 1 if last else 1
        head = _head(previous, rows)
        seal = AuditSeal.objects.create(
            organization=organization,
            number=number,
            sealed_at=now,
            entries=len(rows),
            previous_head=previous,
            head=head,
            signature=settings.KEYRING.audit.sign(_statement(organization, number, len(rows), previous, head)),
        )
        for position, row in enumerate(rows):
            row.seal, row.position = seal, position
        AuditEntry.objects.bulk_update(rows, ["seal", "position"], batch_size=200)
    return len(rows)


def _only_one_sealer() -> None:
    """SQLite needs nothing more: a transaction holds the only write lock from its start (BEGIN IMMEDIATE)."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def _head(previous: bytes, rows: Iterable[AuditEntry]) -> bytes:
    chain = hashlib.sha256(previous)
    for row in rows:
        chain.update(_digest(row))
    return chain.digest()


def _digest(row: AuditEntry) -> bytes:
    return hashlib.sha256(
        canonical_json(
            {
                "id": row.pk,
                "organization": str(row.organization_id),
                "at": row.at.isoformat(),
                "activity": row.activity,
                "result": row.result,
                "tracking_id": str(row.tracking_id) if row.tracking_id else None,
                "actor": row.actor,
                "details": row.details,
                "personal": row.personal_hashes,
            }
        )
    ).digest()


def _statement(organization: Organization, number: int, entries: int, previous: bytes, head: bytes) -> bytes:
    return b"keyback audit head 1\n" + canonical_json(
        {
            "organization": str(organization.pk),
            "number": number,
            "entries": entries,
            "previous": previous.hex(),
            "head": head.hex(),
        }
    )


def verify(organization: Organization) -> Report:
    """Walks the whole chain: signatures, digests, order, exported heads, and the personal values that are still
    there."""
    report = Report(unsealed=AuditEntry.objects.filter(organization=organization, seal__isnull=True).count())
    exported = heads.read().get(str(organization.pk), {})
    previous = _NO_HEAD
    for seal in AuditSeal.objects.filter(organization=organization).order_by("number").iterator():
        report.seals += 1
        report.problems += _problems(organization, seal, report.seals, previous, exported)
        report.entries += seal.entries
        previous = bytes(seal.head)
    missing = sum(number > report.seals for number in exported)
    if missing:
        report.problems.append(f"{missing} seals that were exported are no longer in the database")
    report.problems += _personal_problems(organization)
    return report


def _problems(
    organization: Organization, seal: AuditSeal, expected: int, previous: bytes, exported: dict[int, str]
) -> Iterator[str]:
    head = bytes(seal.head)
    if seal.number != expected:
        yield f"seal {expected} is missing (found {seal.number})"
    if bytes(seal.previous_head) != previous:
        yield f"seal {seal.number} does not follow the one before it"
    rows = list(AuditEntry.objects.filter(seal=seal).order_by("position"))
    if len(rows) != seal.entries or _head(bytes(seal.previous_head), rows) != head:
        yield f"seal {seal.number}: its entries are not those that were sealed"
    statement = _statement(organization, seal.number, seal.entries, bytes(seal.previous_head), head)
    try:
        settings.KEYRING.audit.public_key().verify(bytes(seal.signature), statement)
    except InvalidSignature:
        yield f"seal {seal.number}: its signature is not the portal's"
    if exported.get(seal.number, head.hex()) != head.hex():
        yield f"seal {seal.number} is not the one that was exported"


def _personal_problems(organization: Organization) -> Iterator[str]:
    values = AuditPersonal.objects.filter(organization=organization).select_related("entry")
    for value in values.iterator():
        hashes: dict[str, str] = value.entry.personal_hashes
        try:
            text = open_value(organization.pk, value.entry_id, value.field, value.value)
        except VaultMismatch:
            text = None  # not the portal's own value: the same finding
        if text is None or personal_hash(bytes(value.salt), text) != hashes.get(value.field):
            yield f"entry {value.entry_id}: its {value.field} is not the one that was written"
