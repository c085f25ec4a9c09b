"""An outcome in a sentence for administrators: what is so, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from keyback.passwords import Code, Finding
from keyback.protocol.outcomes import OutcomeCode

__all__ = ["sentence", "sentences_of"]

_NOBODY_TOOK_IT = "No agent took the request in time; look whether one runs: keyback agents list. Nothing was changed."

_SENTENCES = {
    OutcomeCode.DONE: "It is done.",
    OutcomeCode.POLICY: "The password was not accepted.",
    OutcomeCode.BANNED: "The password is too easy to guess.",
    OutcomeCode.CURRENT_WRONG: "The current password is wrong.",
    OutcomeCode.MUST_CHANGE: "The password is right, and must be changed at the next sign-in.",
    OutcomeCode.PASSWORD_EXPIRED: "The password is right, and has expired.",
    OutcomeCode.SIGN_IN_HOURS: "The account may not sign in at this hour.",
    OutcomeCode.WORKSTATION: "The account may sign in at certain computers only.",
    OutcomeCode.TRIES_SPENT: "Too many wrong passwords; more of them would lock the account. Try again later.",
    OutcomeCode.PROTECTED: "The account is protected: the agent never writes to it.",
    OutcomeCode.DISABLED: "The account is disabled.",
    OutcomeCode.LOCKED_OUT: "The account is locked out; unlock it too.",
    OutcomeCode.ACCOUNT_EXPIRED: "The account has expired.",
    OutcomeCode.CANNOT_CHANGE: "The account may not change its password.",
    OutcomeCode.SMART_CARD: "The account signs in with a smart card only.",
    OutcomeCode.NOT_FOUND: "The account is no longer in the directory.",
    OutcomeCode.AMBIGUOUS: "The directory has this account twice.",
    OutcomeCode.OUT_OF_SCOPE: "The account is outside the agent's scope.",
    OutcomeCode.PERMISSION: "The agent's service account lacks a right on this account.",
    OutcomeCode.CONTROL_MISSING: "The domain controller lacks the policy hints control.",
    OutcomeCode.CREDENTIALS: "The agent cannot sign in to the directory.",
    OutcomeCode.CONFIGURATION: "The directory refused: its configuration has to be looked at.",
    OutcomeCode.NOT_ALLOWED: "The agent's own file does not allow this operation.",
    OutcomeCode.CAPPED: "The agent has reached its cap; let it go on there with: keyback agent resume",
    OutcomeCode.INVALID_REQUEST: "The agent refused the request as invalid.",
    OutcomeCode.UNOPENABLE: "The agent could not open the sealed password.",
    OutcomeCode.STALE: "Somebody else changed this password meanwhile; look, and try again.",
    OutcomeCode.UNREACHABLE: "No domain controller answered. Nothing was changed.",
    OutcomeCode.NOT_WRITTEN: "The password was not written; the old one still counts.",
    OutcomeCode.SUPERSEDED: "Somebody else wrote another password meanwhile.",
    OutcomeCode.UNKNOWN: "Nobody could find out whether it was written.",
    OutcomeCode.UNFORESEEN: "Something unforeseen happened; the agent's events say more.",
}


def sentence(code: OutcomeCode | None) -> str:
    """None: it expired before anybody began."""
    return _NOBODY_TOOK_IT if code is None else _SENTENCES[code]


def sentences_of(findings: Iterable[Mapping[str, Any]]) -> list[str]:
    """The broken rules, each in its sentence; a code that this version does not know stands for itself."""
    known = {code.value for code in Code}
    return [
        Finding(Code(f["code"]), f.get("params", {})).sentence if f["code"] in known else str(f["code"])
        for f in findings
    ]
