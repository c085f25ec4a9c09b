"""Every message between portal and agent, as frozen pydantic models. docs/protocol.md tells the same as a story.

Field units: ``*_ms`` milliseconds from *now* of whoever reads (clocks of two machines are never compared), ``deadline``
seconds since 1970 on the portal's clock, compared by the portal only. Unknown fields are refused.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, TypeVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from keyback.protocol.encoding import canonical_json
from keyback.protocol.errors import Malformed
from keyback.protocol.limits import (
    MAX_GROUPS_PER_PUSH,
    MAX_OBJECTS_PER_PUSH,
    MAX_PEOPLE_PER_PUSH,
    MAX_WORK_PER_POLL,
    POLL_MAX,
)
from keyback.protocol.outcomes import OutcomeCode

__all__ = [
    "BannedAnswer",
    "BannedQuestion",
    "BannedTerms",
    "Before",
    "BoxRef",
    "Conflict",
    "Envelope",
    "Finding",
    "Flags",
    "ForestName",
    "ForestState",
    "ForestStates",
    "GroupRecord",
    "Heartbeat",
    "Inspection",
    "NewKey",
    "Offboarding",
    "Onboarded",
    "Onboarding",
    "OnboardingForest",
    "Operation",
    "Outcome",
    "OutcomeReceipt",
    "PersonAnswer",
    "PersonQuestion",
    "PersonRecord",
    "Policy",
    "Poll",
    "Push",
    "PushReceipt",
    "Served",
    "ServedForest",
    "SignedTerms",
    "Span",
    "Token",
    "UnsealKey",
    "Work",
    "WorkList",
    "WriteGrant",
    "WriteIntent",
    "parse",
]


class Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


Text = Annotated[str, Field(max_length=256)]
B64 = Annotated[str, Field(max_length=20_000, pattern=r"^[A-Za-z0-9_-]*$")]
Seq = Annotated[int, Field(ge=0, le=2**62)]
Version = Annotated[int, Field(ge=0, le=2**32)]
KeyId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:-]+$")]


class Operation(StrEnum):
    INSPECT = "inspect"
    VERIFY = "verify"
    RESET = "reset"
    CHANGE = "change"
    UNLOCK = "unlock"
    EXPIRE = "expire"


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

    ``inspect_for``: the operation that is to follow an inspection (reset, change, unlock), whose rights and rules it is
    judged by.

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
    inspect_for: Operation = Operation.RESET
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


class Inspection(Message):
    """What the agent found when it looked at the account.

    ``possible_from``: time from which the minimum age allows a new password; None when it does now.
    ``password_expires_at``: by the maximum age; None for never, and where it must be changed anyway.
    """

    password_version: Version
    locked_out: bool
    must_change: bool
    password_expired: bool
    policy: Policy
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


# --- banned words


class BannedTerms(Message):
    """An organization's list as the people's door signs it: normalised or not, one term a line. A list with a lower
    ``version`` than the agent's own is an old one."""

    v: Literal[1] = 1
    organization_id: UUID
    version: Annotated[int, Field(ge=1, le=2**62)]
    mode: Literal["off", "audit", "enforce"] = "enforce"
    strict: bool = False
    extended: bool = False
    terms: Annotated[str, Field(max_length=2_000_000)] = ""

    def to_bytes(self) -> bytes:
        return canonical_json(self.model_dump(mode="json"))


class SignedTerms(Message):
    """``content``: the bytes of a BannedTerms."""

    content: Annotated[str, Field(max_length=4_500_000, pattern=r"^[A-Za-z0-9_-]*$")]
    signature: B64


class BannedQuestion(Message):
    """``have``: the version that the agent holds, 0 for none."""

    have: Seq = 0


class BannedAnswer(Message):
    """``terms`` is None when there is nothing newer."""

    terms: SignedTerms | None = None


# --- onboarding and keys -------------------------------------------------------------------------------------------


class UnsealKey(Message):
    """``public``: uncompressed P-256 point, base64url. ``life_s``: how long pages may seal for it.

    ``signature``: by the agent's signing key (signing.sign_unsealing_key), so that no other key is ever sealed for.
    """

    key: KeyId
    public: B64
    signature: B64
    life_s: Annotated[int, Field(ge=60, le=100 * 86_400)]


class OnboardingForest(Message):
    """``name``: DNS name of the forest's root domain. ``domains``: DNS names; user IDs ending in them live here."""

    name: Text
    domains: Annotated[list[Text], Field(max_length=100)] = []


class Onboarding(Message):
    """POST /agents/v1/onboard, with ``Keyback-Signature`` by the key in it. The one-time code is worth one use."""

    code: Annotated[str, Field(min_length=8, max_length=64)]
    name: Annotated[str, Field(min_length=1, max_length=100)]
    version: Text
    sign_public: B64
    unseal: UnsealKey
    forests: Annotated[list[OnboardingForest], Field(min_length=1, max_length=50)]


class ForestName(Message):
    id: UUID
    name: Text


class Onboarded(Message):
    """The agent pins ``portal_public``: requests signed by any other key are refused from now on."""

    agent_id: UUID
    organization_id: UUID
    organization: Text
    portal_public: B64
    audience: Text
    fingerprint: Text
    forests: list[ForestName]


class Token(Message):
    """RFC 6749 section 5.1."""

    access_token: Text
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 (not a secret, the type's name)
    expires_in: int


class NewKey(Message):
    """POST /agents/v1/keys: the next unsealing key; the portal seals for the newest."""

    unseal: UnsealKey


class ServedForest(OnboardingForest):
    """``writeback``: the agent's own switch. ``added``: in the agent's file, but never switched on; requests come, and
    are refused by the agent, which says why."""

    writeback: Literal["on", "off", "added"]


class Served(Message):
    """POST /agents/v1/forests: all that the agent serves now. ``unseal``: a new key in place of all others; it comes
    with switching writeback on. Where every forest is off the portal forgets the agent's keys."""

    forests: Annotated[list[ServedForest], Field(min_length=1, max_length=50)]
    unseal: UnsealKey | None = None


class ForestState(ForestName):
    """``writeback``: the portal's own switch."""

    writeback: bool


class ForestStates(Message):
    """Those that this agent may serve; one that others served before it came has to be allowed in the portal."""

    forests: list[ForestState]


class Offboarding(Message):
    """POST /agents/v1/offboard: the agent leaves, for good."""


# --- work ----------------------------------------------------------------------------------------------------------


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


class Heartbeat(Message):
    """POST /agents/v1/heartbeat. A closed set of fields, none about a person."""

    version: Text
    uptime_s: Seq
    requests_done: Seq
    requests_refused: Seq
    requests_unresolved: Seq
    last_sync_people: Seq
    last_sync_age_s: Seq | None
    forests_reachable: Annotated[int, Field(ge=0, le=1000)]
    forests: Annotated[int, Field(ge=0, le=1000)]
    paused: bool


# --- people --------------------------------------------------------------------------------------------------------


class PersonRecord(Message):
    """One person as the directory has them. ``object_guid`` is what recovery data is bound to; names may change."""

    object_guid: UUID
    anchor: Text
    user_id: Text
    spellings: Annotated[list[Text], Field(max_length=20)] = []
    account_name: Text
    display_name: Text = ""
    given_name: Text = ""
    surname: Text = ""
    mail: Annotated[list[Text], Field(max_length=10)] = []
    mobile: Text = ""
    office_phone: Text = ""
    enabled: bool = True


Objects = Annotated[list[UUID], Field(max_length=MAX_OBJECTS_PER_PUSH)]


class Span(Message):
    """All there are whose objectGUID is above ``after`` and not above ``until`` (None: no bound), so that whoever is
    missing in ``objects`` is not there. GUIDs compare as their 32 hexadecimal digits do."""

    after: UUID | None = None
    until: UUID | None = None
    objects: Objects = []


class GroupRecord(Message):
    """One group and its direct members, people and groups alike. A large group comes in several spans."""

    object_guid: UUID
    name: Text
    members: Span


class Push(Message):
    """POST /agents/v1/people. ``seq`` only grows for one agent, so that an old push cannot be played again.

    ``people`` and ``groups``: as they are now, new, changed or not. ``gone``: objects, people or groups, that are no
    longer in scope. ``people_in_scope`` and ``groups_in_scope``: whoever is missing there has gone too, unless another
    push told of them since this run began. ``last``: the run ends with this push.
    """

    run_id: UUID
    seq: Seq
    forest_id: UUID
    people: Annotated[list[PersonRecord], Field(max_length=MAX_PEOPLE_PER_PUSH)] = []
    groups: Annotated[list[GroupRecord], Field(max_length=MAX_GROUPS_PER_PUSH)] = []
    gone: Objects = []
    people_in_scope: Span | None = None
    groups_in_scope: Span | None = None
    last: bool = False


class Conflict(Message):
    """``anchor``: two enabled accounts carry one source anchor, ``user_id``: one user ID; nothing is written to either
    before one of them is another's. ``made_again``: a new account has the user ID of one that has gone, and inherits
    nothing of it. ``other`` is in ``other_forest``."""

    kind: Literal["anchor", "user_id", "made_again"]
    object_guid: UUID
    other: UUID
    other_forest: Text


class PushReceipt(Message):
    """Counts of people in this push. ``refused``: one line each, by objectGUID. ``unknown``: objects in scope that were
    never told in full: push them. ``held``: so many people of the forest have gone, which is more than may be removed
    without an administrator's word: they stay until one confirms it."""

    added: int
    changed: int
    removed: int
    refused: dict[UUID, Text] = {}
    unknown: Objects = []
    held: int = 0
    conflicts: list[Conflict] = []


class PersonQuestion(Message):
    """POST /agents/v1/people/show. How the portal has this object of a forest that the agent serves."""

    forest_id: UUID
    object_guid: UUID


class PersonAnswer(Message):
    """``known`` False: nothing else counts. ``contacts``: kinds on file from the directory, one word each."""

    known: bool
    person_id: UUID | None = None
    user_id: Text = ""
    anchor: Text = ""
    enabled: bool = False
    removed: bool = False
    held: bool = False
    told_at: AwareDatetime | None = None
    contacts: list[Text] = []
    groups: list[Text] = []
    conflicts: list[Conflict] = []


M = TypeVar("M", bound=Message)


def parse(model: type[M], data: bytes) -> M:
    """The message in ``data``. Raises Malformed, whose text names fields and never values."""
    try:
        return model.model_validate_json(data, strict=True)
    except ValidationError as error:
        places = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['type']}" for e in error.errors()[:5])
        raise Malformed(places) from None
