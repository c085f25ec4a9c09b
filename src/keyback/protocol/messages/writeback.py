"""One operation on one account: what the people's door signs, how agents get it, and how it ended."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from keyback.protocol.encoding import canonical_json
from keyback.protocol.limits import MAX_WORK_PER_POLL, POLL_MAX
from keyback.protocol.messages._base import B64, KeyId, Message, Seq, Text, Version
from keyback.protocol.outcomes import OutcomeCode

__all__ = [
    "Before",
    "BoxRef",
    "Envelope",
    "Finding",
    "Flags",
    "Following",
    "Inspection",
    "Operation",
    "Outcome",
    "OutcomeReceipt",
    "Policy",
    "Poll",
    "ProfileRules",
    "Work",
    "WorkList",
    "WriteGrant",
    "WriteIntent",
]


class Operation(StrEnum):
    INSPECT = "inspect"
    VERIFY = "verify"
    RESET = "reset"
    CHANGE = "change"
    UNLOCK = "unlock"
    EXPIRE = "expire"


Following = Literal[Operation.RESET, Operation.CHANGE, Operation.UNLOCK]
"""What an inspection is to be followed by."""


class Flags(Message):
    """``unlock``: also set lockoutTime to 0. ``must_change``: the password must be changed at the next sign-in."""

    unlock: bool = False
    must_change: bool = False


class BoxRef(Message):
    key: KeyId
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Envelope(Message):
    """What the people's door signs: one operation on one account, and the digests of the boxes that belong to it.

    ``ambiguous``: another enabled account, perhaps of another forest, carries the same source anchor: write neither.

    ``inspect_for``: the operation that is to follow an inspection, whose rights and rules it is judged by.

    ``initiator``: ``self``, or ``admin:<UUID>``. ``password_version``: the version of unicodePwd (replPropertyMetaData)
    seen when the account was inspected; the agent refuses when it has moved. Boxes are keyed by agent.
    """

    v: Literal[1] = 1
    request_id: UUID
    tracking_id: UUID
    organization_id: UUID
    forest_id: UUID
    object_guid: UUID
    operation: Operation
    inspect_for: Following = Operation.RESET
    flags: Flags = Flags()
    initiator: Annotated[str, Field(pattern=r"^(self|admin:[0-9a-f-]{36})$")]
    deadline: Seq
    password_version: Version | None = None
    ambiguous: bool = False
    boxes: dict[UUID, BoxRef] = {}

    def to_bytes(self) -> bytes:
        return canonical_json(self.model_dump(mode="json"))


class Before(Message):
    """The state of the account on one server just before the write (MS-ADTS, replPropertyMetaData)."""

    server: Text
    invocation_id: UUID
    object_guid: UUID
    password_version: Version
    pwd_last_set_version: Version


class Finding(Message):
    """One broken rule. ``code`` is stable; ``params`` are plain values for the sentence, never the password."""

    code: Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]
    params: dict[Annotated[str, Field(max_length=40)], int | Text | None] = {}


Count = Annotated[int, Field(ge=0, le=2**63 // 10**7)]
"""The longest age that a directory can hold (2^63 steps of 100 ns), in seconds; no other count comes near it."""


class Policy(Message):
    """The password policy that applies to one account, as passwords.DirectoryPolicy writes it."""

    min_length: Count
    history: Count
    min_age_seconds: Count
    max_age_seconds: Count | None
    complexity: bool
    lockout_threshold: Count
    name: Text | None


Figure = Annotated[int, Field(ge=0, le=256)]


class ProfileRules(Message):
    """The agent's own rules beside the policy, as passwords.Profile has them; 0 and False for what is no rule."""

    min_length: Figure = 0
    max_length: Figure = 0
    min_units: Figure = 0
    max_units: Figure = 0
    complexity: bool = False
    upper: bool = False
    lower: bool = False
    digit: bool = False
    symbol: bool = False
    same_in_a_row: Figure = 0
    sequence: Figure = 0
    similar_percent: Figure = 0
    strength: Figure = 0


class Inspection(Message):
    """What the agent found when it looked at the account. ``profile``: so that the page names those rules too.

    ``possible_from``: time from which the minimum age allows a new password; None when it does now.
    ``password_expires_at``: by the maximum age; None for never, and where it must be changed anyway.
    """

    password_version: Version
    locked_out: bool
    must_change: bool
    password_expired: bool
    policy: Policy
    profile: ProfileRules = ProfileRules()
    possible_from: AwareDatetime | None = None
    password_expires_at: AwareDatetime | None = None


class Outcome(Message):
    """How it ended. ``not_written`` and ``unknown`` come from resolving after a crash or a time-out only.

    ``detail``: a technical line for the administrator (directory's message), never shown to the person before proof,
    never with a secret in it.
    """

    request_id: UUID
    fence: Seq
    code: OutcomeCode
    findings: list[Finding] = []
    inspection: Inspection | None = None
    detail: Annotated[str, Field(max_length=1000)] = ""


class OutcomeReceipt(Message):
    """``recorded``: it is now the outcome. ``late``: another outcome stood already; this one is kept beside it."""

    result: Literal["recorded", "repeated", "late"]


class Poll(Message):
    """POST /agents/v1/poll. ``boot_id``: new at each start of the agent; requests that the same agent was writing under
    another boot id are unresolved at once, without waiting for their lease.

    ``holding``: the requests that the agent is at. An agent polls one at a time, so whatever else was given to this
    boot id was in an answer that got lost, and goes back to the queue at once. None: not told.
    """

    boot_id: UUID
    holding: Annotated[list[UUID], Field(max_length=4 * MAX_WORK_PER_POLL)] | None = None
    wait_s: Annotated[int, Field(ge=0, le=POLL_MAX)] = POLL_MAX
    capacity: Annotated[int, Field(ge=1, le=MAX_WORK_PER_POLL)] = 1


class Work(Message):
    """One claimed request. ``execute``: do it. ``resolve``: find out whether ``before`` has moved, write nothing."""

    kind: Literal["execute", "resolve"]
    request_id: UUID
    fence: Seq
    envelope: B64
    signature: B64
    box: B64 | None
    before: Before | None = None
    remaining_ms: int


class WorkList(Message):
    work: list[Work]


class WriteIntent(Message):
    """POST /agents/v1/requests/{id}/writing: may I write now?"""

    fence: Seq
    before: Before


class WriteGrant(Message):
    """``remaining_ms`` counts from when the agent *sent* the intent, on its CLOCK_BOOTTIME. No grant, no write."""

    granted: bool
    remaining_ms: int = 0
