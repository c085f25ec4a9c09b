"""What a check says: one sentence each, how bad it is, and the exact lines that mend it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "Section", "Status", "worst"]


class Status(StrEnum):
    OK = "ok"
    NOTE = "note"  # worth knowing, nothing to mend
    SKIPPED = "skipped"
    WARNING = "warning"
    FAILED = "failed"


_ORDER = tuple(Status)


@dataclass(frozen=True, slots=True)
class Finding:
    """``code`` never changes, such as ``portal.tls``. ``repair``: lines to carry out. ``took_ms``: how long it took."""

    code: str
    status: Status
    text: str
    repair: tuple[str, ...] = ()
    took_ms: int | None = None

    def to_dict(self) -> dict[str, object]:
        return {
            "code": self.code,
            "status": self.status,
            "text": self.text,
            "repair": list(self.repair),
            "took_ms": self.took_ms,
        }


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    findings: tuple[Finding, ...]

    def to_dict(self) -> dict[str, object]:
        return {"title": self.title, "findings": [finding.to_dict() for finding in self.findings]}


def worst(sections: Iterable[Section]) -> Status:
    """The gravest status of all."""
    found = (finding.status for section in sections for finding in section.findings)
    return max(found, key=_ORDER.index, default=Status.OK)
