"""Why a request is not carried out: one typed value with its outcome, its events, and what the person gets to know."""

from __future__ import annotations

from collections.abc import Sequence

from keyback.agent.catalogue import Kind
from keyback.directory import Reason, Refusal
from keyback.directory import errors as directory
from keyback.passwords import Code
from keyback.protocol.messages import Finding
from keyback.protocol.outcomes import OutcomeCode

__all__ = ["Refused", "from_directory", "from_guard"]


class Refused(Exception):
    """``kinds``: the events that explain it, in order; the failure event of the operation follows them.

    ``detail``: a line for the administrator, without a secret. ``findings``: the broken rules of the password.
    """

    def __init__(self, code: OutcomeCode, kinds: Sequence[Kind], detail: str, findings: Sequence[Finding] = ()) -> None:
        super().__init__(detail)
        self.code = code
        self.kinds = tuple(kinds)
        self.detail = detail[:1000]
        self.findings = list(findings)


_BY_REASON: dict[Reason, tuple[OutcomeCode, Kind]] = {
    Reason.OUT_OF_SCOPE: (OutcomeCode.OUT_OF_SCOPE, Kind.USER_NOT_FOUND),
    Reason.DISABLED: (OutcomeCode.DISABLED, Kind.DISABLED),
    Reason.ACCOUNT_EXPIRED: (OutcomeCode.ACCOUNT_EXPIRED, Kind.DIRECTORY_CONFIGURATION),
    Reason.NEVER_EXPIRES: (OutcomeCode.CANNOT_CHANGE, Kind.DIRECTORY_CONFIGURATION),
    Reason.CANNOT_CHANGE: (OutcomeCode.CANNOT_CHANGE, Kind.DIRECTORY_CONFIGURATION),
    Reason.SMART_CARD_REQUIRED: (OutcomeCode.SMART_CARD, Kind.DIRECTORY_CONFIGURATION),
}


def from_guard(refusal: Refusal) -> Refused:
    """A refusal of the agent's own, before anything is sent. Whatever has no row of its own is a protected account."""
    code, kind = _BY_REASON.get(refusal.reason, (OutcomeCode.PROTECTED, Kind.PERMISSIONS))
    return Refused(code, [kind], f"{refusal.reason}: {refusal.detail}" if refusal.detail else refusal.reason)


def from_directory(error: directory.DirectoryError) -> Refused:
    """A refusal by the directory, which has written nothing. Not for WriteTimedOut, of which nobody knows that."""
    match error:
        case directory.PolicyViolation():
            finding = Finding(code=_rule(error.rule))
            return Refused(OutcomeCode.POLICY, [Kind.DIRECTORY_POLICY, Kind.POLICY], error.message, [finding])
        case directory.CurrentPasswordWrong():
            return Refused(OutcomeCode.CURRENT_WRONG, [Kind.CURRENT_WRONG], error.message)
        case directory.PermissionMissing():
            right = f"{error.right}: " if error.right else ""
            return Refused(OutcomeCode.PERMISSION, [Kind.PERMISSIONS], right + error.message)
        case directory.NotFound():
            return Refused(OutcomeCode.NOT_FOUND, [Kind.USER_NOT_FOUND], error.message)
        case directory.AmbiguousAnchor():
            return Refused(OutcomeCode.AMBIGUOUS, [Kind.AMBIGUOUS], error.message)
        case directory.ControlMissing():
            kinds = [Kind.CONTROL_MISSING, Kind.DIRECTORY_CONFIGURATION]
            return Refused(OutcomeCode.CONTROL_MISSING, kinds, error.message)
        case directory.BindRefused():
            kinds = [Kind.CREDENTIALS_DENIED, Kind.DIRECTORY_CONFIGURATION]
            return Refused(OutcomeCode.CREDENTIALS, kinds, error.message)
        case directory.TlsFailure() | directory.ConfigurationProblem():
            return Refused(OutcomeCode.CONFIGURATION, [Kind.DIRECTORY_CONFIGURATION], str(error))
        case directory.Unreachable():
            return Refused(OutcomeCode.UNREACHABLE, [Kind.DIRECTORY_UNREACHABLE], str(error))
    numbers = f"result {error.result}" if error.result is not None else error.code
    return Refused(OutcomeCode.UNFORESEEN, [Kind.DIRECTORY_UNFORESEEN], f"{numbers}: {error.message}")


def _rule(rule: Code | None) -> Code:
    """The rule to name. The agent has checked all that can be judged beforehand, so what the directory still calls
    complexity is a filter, and what it does not name at all, as Windows never does, is the history or a filter."""
    if rule is None:
        return Code.USED_BEFORE_OR_FILTER
    return Code.FILTER if rule is Code.COMPLEXITY else rule
