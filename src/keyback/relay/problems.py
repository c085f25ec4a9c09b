"""Every way in which the agents' door says no: a status, a code that never changes, one sentence."""

from __future__ import annotations

from dataclasses import dataclass

from keyback.errors import KeybackError
from keyback.portal.agents.models import Agent

__all__ = [
    "AGENT_OUT_OF_DATE",
    "AGENT_PENDING",
    "AGENT_REVOKED",
    "BUSY",
    "CODE_REFUSED",
    "FOREST_REFUSED",
    "INTERNAL",
    "KEY_REFUSED",
    "MALFORMED",
    "METHOD_NOT_ALLOWED",
    "MISMATCHED",
    "NOT_FOUND",
    "NO_SUCH_REQUEST",
    "SEQUENCE_REFUSED",
    "SIGNATURE_REFUSED",
    "TIMED_OUT",
    "TOKEN_REFUSED",
    "TOO_LARGE",
    "TOO_MANY_CALLS",
    "TOO_MANY_POLLS",
    "UNSUPPORTED_TYPE",
    "Problem",
    "Refusal",
]


@dataclass(frozen=True, slots=True)
class Problem:
    """``retry_after``: seconds after which trying again makes sense, as the header of that name."""

    status: int
    code: str
    message: str
    retry_after: int | None = None


class Refusal(KeybackError):
    """The call is refused. ``detail`` takes the place of the problem's sentence; ``retry_after`` of its seconds.
    ``agent``: whose bearer it was."""

    def __init__(
        self, problem: Problem, detail: str = "", retry_after: int | None = None, agent: Agent | None = None
    ) -> None:
        super().__init__(detail or problem.message)
        self.code = problem.code
        self.problem = problem
        self.agent = agent
        self.retry_after = problem.retry_after if retry_after is None else retry_after


MALFORMED = Problem(400, "malformed", "The body is not what this call takes.")
TOKEN_REFUSED = Problem(401, "token_refused", "The bearer token is missing, unknown or expired: get a new one.")
AGENT_OUT_OF_DATE = Problem(
    403, "agent_out_of_date", "This agent is out of date: upgrade it to a version that goes with this portal."
)
AGENT_PENDING = Problem(403, "agent_pending", "An administrator has not confirmed this agent yet.")
AGENT_REVOKED = Problem(403, "agent_revoked", "This agent was revoked.")
SIGNATURE_REFUSED = Problem(403, "signature_refused", "The signature does not match this agent, path and body.")
CODE_REFUSED = Problem(403, "code_refused", "The onboarding code is unknown, used or expired.")
FOREST_REFUSED = Problem(403, "forest_refused", "This agent does not serve that forest.")
NOT_FOUND = Problem(404, "not_found", "There is nothing here.")
NO_SUCH_REQUEST = Problem(404, "no_such_request", "There is no such request for this agent.")
METHOD_NOT_ALLOWED = Problem(405, "method_not_allowed", "This path does not take that method.")
TIMED_OUT = Problem(408, "timed_out", "The body came too slowly.")
KEY_REFUSED = Problem(409, "key_refused", "The key is not a P-256 point, or its name is taken.")
MISMATCHED = Problem(409, "mismatched", "Path and body name different requests.")
SEQUENCE_REFUSED = Problem(409, "sequence_refused", "A push with this number, or a higher one, was taken already.")
TOO_LARGE = Problem(413, "too_large", "The body is larger than 1,000,000 bytes.")
UNSUPPORTED_TYPE = Problem(415, "unsupported_type", "The content type is not the one that this call takes.")
TOO_MANY_CALLS = Problem(429, "too_many_calls", "Too many refused calls came from this address.", retry_after=60)
TOO_MANY_POLLS = Problem(429, "too_many_polls", "This agent has too many polls open.", retry_after=5)
INTERNAL = Problem(500, "internal", "Something went wrong on the portal's side.")
BUSY = Problem(503, "busy", "The database is busy.", retry_after=1)
