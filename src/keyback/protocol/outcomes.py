"""How a writeback request can end, in words that never change."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["SSPR_CODE", "SUCCESSES", "OutcomeCode", "Shortfall", "sspr_code"]


class OutcomeCode(StrEnum):
    """Each value is written to audit, journal and protocol. The comment names the agent's event."""

    DONE = "done"  # 31002, 31007, 31010
    # the password was not accepted: the person chooses another
    POLICY = "policy"  # 33008; findings name the rule
    BANNED = "banned"  # FuzzyPolicyViolation
    CURRENT_WRONG = "current_wrong"  # 33007
    # a sign-in whose password is right, and more is to be said
    MUST_CHANGE = "must_change"  # data 773: a new one has to be chosen first
    PASSWORD_EXPIRED = "password_expired"  # noqa: S105 (not a secret); data 532: the same
    SIGN_IN_HOURS = "sign_in_hours"  # data 530: not at this time
    WORKSTATION = "workstation"  # data 531: only at certain computers
    TRIES_SPENT = "tries_spent"  # half of the lock-out threshold is used up; findings tell until when
    # this account may not be written
    PROTECTED = "protected"  # 33004
    DISABLED = "disabled"  # 33005
    LOCKED_OUT = "locked_out"  # 33006
    ACCOUNT_EXPIRED = "account_expired"
    CANNOT_CHANGE = "cannot_change"
    SMART_CARD = "smart_card"
    NOT_FOUND = "not_found"  # 33002
    AMBIGUOUS = "ambiguous"  # 33003
    OUT_OF_SCOPE = "out_of_scope"
    # the set-up on the organization's own premises must be mended
    PERMISSION = "permission"  # 33004
    CONTROL_MISSING = "control_missing"  # 6329
    CREDENTIALS = "credentials"  # 6329 0x80230626
    CONFIGURATION = "configuration"  # 33009
    NOT_ALLOWED = "not_allowed"  # the agent's own file does not list the operation
    CAPPED = "capped"  # past the agent's cap, until `keyback agent resume`
    # the request itself was refused
    INVALID_REQUEST = "invalid_request"  # 32003
    UNOPENABLE = "unopenable"  # 32004
    STALE = "stale"  # the password was changed by somebody else since the account was inspected
    # connectivity
    UNREACHABLE = "unreachable"  # no domain controller answered, nothing was sent
    # after a crash or a time-out
    NOT_WRITTEN = "not_written"  # certain: the directory holds the old password
    SUPERSEDED = "superseded"  # somebody else wrote another password meanwhile
    UNKNOWN = "unknown"  # could not be found out
    UNFORESEEN = "unforeseen"  # 33001, 32000


class Shortfall(StrEnum):
    """What a write left undone, as findings beside ``done``; each because a right is missing."""

    STILL_EXPIRED = "still_expired"  # 42021: it has to be changed at the next sign-in
    STILL_LOCKED = "still_locked"  # 33006


SSPR_CODE: dict[OutcomeCode, str] = {
    OutcomeCode.POLICY: "OnPremisesPolicyViolation",
    OutcomeCode.BANNED: "FuzzyPolicyViolation",
    OutcomeCode.CURRENT_WRONG: "OnPremisesPolicyViolation",
    OutcomeCode.TRIES_SPENT: "SSPR_0030",
    OutcomeCode.UNREACHABLE: "SSPR_0030",
    OutcomeCode.NOT_WRITTEN: "SSPR_0030",
    OutcomeCode.UNKNOWN: "SSPR_0030",
}

SUCCESSES = frozenset({OutcomeCode.DONE, OutcomeCode.MUST_CHANGE, OutcomeCode.PASSWORD_EXPIRED})
"""It was done; of a sign-in: the password is right, though with two of them only a new one opens anything."""


def sspr_code(code: OutcomeCode) -> str | None:
    """The support code that goes with an outcome (reference: Microsoft's SSPR error table). None when it succeeded.

    What only an administrator on the premises can mend is SSPR_0029.
    """
    if code in SUCCESSES:
        return None
    return SSPR_CODE.get(code, "SSPR_0029")
