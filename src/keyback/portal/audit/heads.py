"""The heads of the chain, outside the database: one JSON line for each seal, in ``state_dir/audit-heads.jsonl``.

Ship this file elsewhere as it grows (a log collector will do), and nobody on the portal can cut the audit short
unseen.
"""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path

from django.conf import settings

from keyback.portal.audit.models import AuditSeal

__all__ = ["export", "path", "read"]


def path() -> Path:
    file: Path = settings.CONFIG.state_dir / "audit-heads.jsonl"
    return file


def export(now: datetime) -> int:
    """Appends every seal that is not marked as exported, also those that a crash kept from it. How many.

    Written first and marked afterwards: a crash between the two leaves a line twice, never a seal without its line.
    """
    seals = list(AuditSeal.objects.filter(exported_at__isnull=True).order_by("id"))
    if not seals:
        return 0
    with path().open("a", encoding="ascii") as file:
        # The first line break ends a line that a power cut left half-written; an empty line says nothing.
        file.write("\n" + "".join(map(_line, seals)))
        file.flush()
        os.fsync(file.fileno())
    AuditSeal.objects.filter(pk__in=[seal.pk for seal in seals]).update(exported_at=now)
    return len(seals)


def read() -> dict[str, dict[int, str]]:
    """Organization → number of the seal → head in hex."""
    found: dict[str, dict[int, str]] = {}
    if not path().exists():
        return found
    with path().open(encoding="ascii") as file:
        for line in file:
            try:
                head = json.loads(line)
                found.setdefault(str(head["organization"]), {})[int(head["number"])] = str(head["head"])
            except (ValueError, KeyError, TypeError):
                continue  # half-written: its seal was exported again
    return found


def _line(seal: AuditSeal) -> str:
    return (
        json.dumps(
            {
                "organization": str(seal.organization_id),
                "number": seal.number,
                "sealed_at": seal.sealed_at.isoformat(),
                "entries": seal.entries,
                "head": bytes(seal.head).hex(),
                "signature": bytes(seal.signature).hex(),
            }
        )
        + "\n"
    )
