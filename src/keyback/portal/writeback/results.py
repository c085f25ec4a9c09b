"""What became of a request, for the page that asks for it again and again: it never waits in a request thread."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from keyback.portal.people.models import Person
from keyback.portal.writeback.models import UNFINISHED, WritebackRequest
from keyback.protocol.outcomes import SUCCESSES, OutcomeCode, sspr_code

__all__ = ["Result", "result_of"]


@dataclass(frozen=True, slots=True)
class Result:
    """``waiting``: nobody knows yet. ``code``: how it ended, None where nobody took it in time. ``refusal``: the SSPR
    code for the person, "" where it succeeded. ``findings``: the broken rules, as `recovery.wording.sentences` takes
    them. ``possible_from``: from when another try is worth it, where that is known."""

    waiting: bool
    code: OutcomeCode | None = None
    refusal: str = ""
    findings: list[dict[str, Any]] = field(default_factory=list)
    possible_from: datetime | None = None

    @property
    def succeeded(self) -> bool:
        """Done; of a sign-in: the password is right, though MUST_CHANGE and PASSWORD_EXPIRED want a new one first."""
        return self.code in SUCCESSES


def result_of(person: Person, request_id: UUID) -> Result:
    """The request must be this person's. Raises WritebackRequest.DoesNotExist."""
    request = WritebackRequest.objects.get(id=request_id, organization_id=person.organization_id, person_id=person.id)
    if request.state in UNFINISHED:
        return Result(waiting=True)
    if not request.outcome_code:
        return Result(waiting=False, refusal="SSPR_0030")
    code = OutcomeCode(request.outcome_code)
    findings = list((request.outcome or {}).get("findings", []))
    moments = [one["params"]["possible_from"] for one in findings if one.get("params", {}).get("possible_from")]
    return Result(
        waiting=False,
        code=code,
        refusal=sspr_code(code) or "",
        findings=findings,
        possible_from=max((datetime.fromisoformat(moment) for moment in moments), default=None),
    )
