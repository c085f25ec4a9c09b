"""Finding out what became of a password write that got no answer. Nothing here writes a password, ever.

| on the server that was written to          | verdict                                                       |
|--------------------------------------------|---------------------------------------------------------------|
| version of unicodePwd as before            | not written                                                   |
| moved, and the new password binds          | done (530-533, 701, 773 count: only the right one gets these) |
| moved, and it does not bind (52e)          | superseded: somebody else wrote another one meanwhile         |
| moved, locked out (775)                    | as above after clearing lockoutTime, where that was asked for |
| moved, but one more failure would lock it  | unknown, without a bind                                       |

Another server can prove *done* only: that it has not seen the write says nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from keyback.agent.forests import Forest
from keyback.directory import Account, Connection, Verdict, read_account, unlock, verify_bind
from keyback.directory.errors import DirectoryError
from keyback.protocol.limits import DIRECTORY_TIMEOUT
from keyback.protocol.messages import Before, Envelope
from keyback.protocol.outcomes import OutcomeCode, Shortfall

__all__ = ["Found", "Question", "find_out"]

SECOND_LOOK = 1.5
"""Seconds between two looks at an unmoved version: a controller that was frozen still has the write in its socket when
it wakes, and may answer a search on another connection first."""


@dataclass(frozen=True, slots=True)
class Question:
    """``password``: the new one, None where its box cannot be opened."""

    envelope: Envelope
    before: Before
    password: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Found:
    """``code``: DONE, NOT_WRITTEN, SUPERSEDED or UNKNOWN."""

    code: OutcomeCode
    detail: str
    shortfalls: tuple[Shortfall, ...] = ()


def find_out(forest: Forest, question: Question) -> Found:
    """What became of the write, as far as it can be told now."""
    try:
        with forest.connection_to(question.before.invocation_id) as connection:
            if connection is not None:
                return _on_the_server(forest, connection, question)
        with forest.connection() as connection:
            return _on_another(forest, connection, question)
    except DirectoryError as error:
        return _unknown(f"{error.code}: {error.message}")


def _on_the_server(forest: Forest, connection: Connection, question: Question) -> Found:
    account = read_account(connection, question.before.object_guid)
    if _unmoved(account, question):
        time.sleep(SECOND_LOOK)
        account = read_account(connection, question.before.object_guid)
        if _unmoved(account, question):
            return Found(OutcomeCode.NOT_WRITTEN, f"version {question.before.password_version} on {_name(connection)}")
    verdict, reason = _try_password(forest, connection, account, question)
    if verdict is None:
        return _unknown(reason)
    if verdict is Verdict.WRONG:
        return Found(OutcomeCode.SUPERSEDED, f"another password was written on {_name(connection)}")
    shortfalls = _finish(connection, question)
    return Found(OutcomeCode.DONE, f"the new password binds on {_name(connection)}", shortfalls)


def _on_another(forest: Forest, connection: Connection, question: Question) -> Found:
    gone = f"{question.before.server} cannot be reached"
    account = read_account(connection, question.before.object_guid)
    if account.versions.unicode_pwd <= question.before.password_version:
        return _unknown(f"{gone}, and {_name(connection)} has not seen a write")
    verdict, reason = _try_password(forest, connection, account, question)
    if verdict is not Verdict.RIGHT:
        return _unknown(f"{gone}; {_name(connection)}: {reason or verdict}")
    shortfalls = _finish(connection, question)
    return Found(OutcomeCode.DONE, f"the new password binds on {_name(connection)}; {gone}", shortfalls)


def _try_password(
    forest: Forest, connection: Connection, account: Account, question: Question
) -> tuple[Verdict | None, str]:
    """What one bind says. None, with the reason, where it may not be tried or says nothing."""
    if question.password is None:
        return None, "the sealed password cannot be opened"
    refusal = forest.guard(connection).refusal(account, connection.server_time())
    if refusal and refusal.protected:
        return None, refusal.reason
    threshold = forest.policies.effective(connection, account).lockout_threshold
    if threshold and account.bad_pwd_count + 1 >= threshold and not account.locked_out:
        return None, "one more failed sign-in would lock the account"
    answer = verify_bind(connection.server, account.dn, question.password)
    if answer.verdict is Verdict.LOCKED_OUT and question.envelope.flags.unlock:
        unlock(connection, account.guid, timeout=DIRECTORY_TIMEOUT)
        answer = verify_bind(connection.server, account.dn, question.password)
    if answer.verdict is Verdict.LOCKED_OUT:
        return None, "the account is locked out, so that the directory does not say"
    return answer.verdict, ""


def _finish(connection: Connection, question: Question) -> tuple[Shortfall, ...]:
    """What belongs to the write and may be missing where the lock-out came after it. Repeating it is harmless. What the
    directory keeps undone."""
    account = read_account(connection, question.before.object_guid)
    if question.envelope.flags.unlock and account.locked_out:
        unlock(connection, account.guid, timeout=DIRECTORY_TIMEOUT)
    if account.must_change and not question.envelope.flags.must_change:
        return (Shortfall.STILL_EXPIRED,)
    return ()


def _unmoved(account: Account, question: Question) -> bool:
    return account.versions.unicode_pwd == question.before.password_version


def _unknown(detail: str) -> Found:
    return Found(OutcomeCode.UNKNOWN, detail)


def _name(connection: Connection) -> str:
    return connection.root.dns_host_name
