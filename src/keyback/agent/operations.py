"""What each operation does to an account, made of the steps in keyback.agent.steps.

    reset, change: look → open_box → check → journal_before with ask_to_write → modify → read_back
    verify:        look → open_box → Kerberos, and a bind that confirms it
    inspect:       look → the rights that the operation will need for which it is done
    unlock, expire: look → journal_before → the write → read_back

Whatever is wrong is raised: Refused, DirectoryError, Unopenable, or Withdrawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from keyback.agent.catalogue import Kind
from keyback.agent.clock import Clock
from keyback.agent.forests import Forest
from keyback.agent.refusals import Refused, from_directory
from keyback.agent.resolve import Found, Question, find_out
from keyback.agent.steps import Steps
from keyback.agent.tasks import Seen, Task, Withdrawn, ended, must_change
from keyback.directory import (
    Account,
    BindAnswer,
    Connection,
    Right,
    Verdict,
    expire,
    minimum_age_ends,
    missing_rights,
    read_back,
    unlock,
    verify_password,
)
from keyback.directory import errors as directory
from keyback.protocol.limits import DIRECTORY_TIMEOUT
from keyback.protocol.messages import Before, Finding, Inspection, Operation, Outcome, Policy, ProfileRules
from keyback.protocol.outcomes import OutcomeCode

__all__ = ["Operations", "stale"]


class Operations:
    """``beside``: for what is waited for beside something else. Safe in threads."""

    def __init__(self, steps: Steps, beside: ThreadPoolExecutor, clock: Clock) -> None:
        self._steps = steps
        self._beside = beside
        self._clock = clock
        self._roads: dict[Operation, Callable[[Task, Forest], Outcome]] = {
            Operation.INSPECT: self._inspect,
            Operation.VERIFY: self._verify,
            Operation.RESET: self._new_password,
            Operation.CHANGE: self._new_password,
            Operation.UNLOCK: self._repeatable,
            Operation.EXPIRE: self._repeatable,
        }

    def carry_out(self, task: Task, forest: Forest) -> Outcome:
        return self._roads[task.envelope.operation](task, forest)

    def _inspect(self, task: Task, forest: Forest) -> Outcome:
        self._steps.journal_before(task)
        with forest.connection() as connection:
            seen = self._steps.look(task, forest, connection)
            account = seen.account
            if task.meant is Operation.CHANGE:
                _refuse_locked_out(seen)
            if missing := missing_rights(connection, account, _needed(task, account)):
                raise Refused(OutcomeCode.PERMISSION, [Kind.PERMISSIONS], f"missing: {', '.join(missing)}")
            hinted = task.meant is Operation.RESET and not must_change(task, account)
            if hinted and connection.root.hints_control is None:
                raise from_directory(directory.ControlMissing(f"{connection.root.dns_host_name} does not offer it"))
        ends = minimum_age_ends(account, seen.policy)
        inspection = Inspection(
            password_version=account.versions.unicode_pwd,
            locked_out=account.locked_out,
            must_change=account.must_change,
            password_expired=account.password_expired,
            policy=Policy.model_validate(seen.policy.to_dict()),
            profile=ProfileRules(**self._steps.profile.to_dict()),
            possible_from=ends if ends and ends > seen.now else None,
            password_expires_at=account.password_expires_at,
        )
        return ended(task, OutcomeCode.DONE, inspection=inspection)

    def _verify(self, task: Task, forest: Forest) -> Outcome:
        with forest.connection() as connection:
            seen = self._steps.look(task, forest, connection)
            _refuse_locked_out(seen)
            password = self._steps.open_box(task).current or ""
            if self._clock.elapsed() >= task.gone_at:
                raise Withdrawn("too late")  # nobody waits for the answer, and a wrong one would count
            tries = self._steps.tries(seen)
            answer = verify_password(
                connection.server, seen.account, password, now=seen.now, before_each_try=tries.spend
            )
        if answer.verdict is Verdict.WRONG:
            self._steps.journal_before(task)  # only wrong ones count towards the cap: it is there for guessing
        elif answer.verdict is Verdict.RIGHT:
            tries.right(signed_in=answer.data is None)
        return _signed_in(task, answer)

    def _new_password(self, task: Task, forest: Forest) -> Outcome:
        with forest.connection() as connection:
            seen = self._steps.look(task, forest, connection)
            expected = task.envelope.password_version
            if expected is not None and seen.account.versions.unicode_pwd != expected:
                raise stale()
            passwords = self._steps.open_box(task)
            self._steps.check(task, seen, passwords)
            task.before = _before(connection, seen)
            with self._current_tried(task, seen):
                send_by = self._granted(task, task.before)
                try:
                    self._steps.modify(task, seen, passwords, send_by)
                except directory.PermissionMissing as error:
                    raise _not_permitted(task, seen, error) from None
                except directory.WriteTimedOut:
                    connection.broken = True
                else:
                    self._steps.read_back(task, seen)
                    return _done(task, "; ".join(task.notes))
        return self.found(task, find_out(forest, Question(task.envelope, task.before, passwords.new)))

    def found(self, task: Task, what: Found) -> Outcome:
        """What was found out about a write, as its outcome."""
        for shortfall in what.shortfalls:
            self._steps.fell_short(task, shortfall)
        if what.code is OutcomeCode.DONE:
            return _done(task, what.detail)
        return ended(task, what.code, detail=what.detail)

    @contextmanager
    def _current_tried(self, task: Task, seen: Seen) -> Iterator[None]:
        """A change tries the current password: that counts unless it was not wrong, for sure."""
        if task.envelope.operation is not Operation.CHANGE:
            yield
            return
        _refuse_locked_out(seen)
        tries = self._steps.tries(seen)
        tries.spend()
        try:
            yield
        except directory.CurrentPasswordWrong:
            raise
        except (Withdrawn, Refused, directory.DirectoryError):
            tries.right(signed_in=False)
            raise
        if not seen.connection.broken:  # an answer came, and it was not that
            tries.right(signed_in=False)

    def _granted(self, task: Task, before: Before) -> float:
        """Until when to send. The disk and the portal are waited for at the same time, and both before anything is
        sent."""
        journaled = self._beside.submit(self._steps.journal_before, task)
        try:
            return self._steps.ask_to_write(task, before)
        finally:
            journaled.result()

    def _repeatable(self, task: Task, forest: Forest) -> Outcome:
        """Unlock and expire: the same once or twice, so a time-out is simply a failure to try again."""
        unlocks = task.envelope.operation is Operation.UNLOCK
        with forest.connection() as connection:
            seen = self._steps.look(task, forest, connection)
            if seen.account.never_expires and not unlocks:
                detail = "the password never expires, so that there is nothing to expire"
                raise Refused(OutcomeCode.CONFIGURATION, [Kind.DIRECTORY_CONFIGURATION], detail)
            self._steps.journal_before(task)
            if self._clock.elapsed() >= task.gone_at:
                raise Withdrawn("too late")
            try:
                (unlock if unlocks else expire)(connection, seen.account.guid, timeout=DIRECTORY_TIMEOUT)
            except directory.PermissionMissing as error:
                raise _not_permitted(task, seen, error) from None
            except directory.WriteTimedOut as error:
                raise Refused(OutcomeCode.UNREACHABLE, [Kind.DIRECTORY_UNREACHABLE], str(error)) from None
            now = read_back(connection, seen.account.guid)
        if unlocks and now.locked_out:
            raise Refused(OutcomeCode.LOCKED_OUT, [Kind.LOCKED_OUT], "the account is still locked out")
        if not unlocks and not now.must_change:
            raise Refused(OutcomeCode.UNFORESEEN, [Kind.DIRECTORY_UNFORESEEN], "the directory kept pwdLastSet")
        return ended(task, OutcomeCode.DONE)


def stale() -> Refused:
    return Refused(OutcomeCode.STALE, [Kind.STALE], "the password was changed since the account was inspected")


def _before(connection: Connection, seen: Seen) -> Before:
    return Before(
        server=connection.root.dns_host_name,
        invocation_id=connection.root.invocation_id,
        object_guid=seen.account.guid,
        password_version=seen.account.versions.unicode_pwd,
        pwd_last_set_version=seen.account.versions.pwd_last_set,
    )


def _done(task: Task, detail: str) -> Outcome:
    findings = [Finding(code=what.value) for what in task.shortfalls]
    return ended(task, OutcomeCode.DONE, detail=detail, findings=findings)


def _needed(task: Task, account: Account) -> list[Right]:
    needed = {
        Operation.RESET: [Right.RESET_PASSWORD],
        Operation.CHANGE: [Right.CHANGE_PASSWORD],
        Operation.UNLOCK: [Right.WRITE_LOCKOUT_TIME],
        Operation.EXPIRE: [Right.WRITE_PWD_LAST_SET],
    }[task.meant]
    if task.envelope.flags.unlock:
        needed.append(Right.WRITE_LOCKOUT_TIME)
    if must_change(task, account):
        needed.append(Right.WRITE_PWD_LAST_SET)
    return needed


def _not_permitted(task: Task, seen: Seen, error: directory.PermissionMissing) -> Refused:
    """The directory does not say which right it misses, the access list does. Whoever was locked out stays so."""
    needed = _needed(task, seen.account)
    missing = ", ".join(missing_rights(seen.connection, seen.account, needed))
    stays_locked = seen.account.locked_out and Right.WRITE_LOCKOUT_TIME in needed
    kinds = [Kind.PERMISSIONS, Kind.LOCKED_OUT] if stays_locked else [Kind.PERMISSIONS]
    return Refused(OutcomeCode.PERMISSION, kinds, f"missing: {missing or 'unknown'}; {error.message}")


def _refuse_locked_out(seen: Seen) -> None:
    if seen.account.locked_out:
        raise Refused(OutcomeCode.LOCKED_OUT, [Kind.LOCKED_OUT], "locked out before anything was tried")


_BY_DATA: dict[str | None, tuple[OutcomeCode, Kind | None]] = {
    None: (OutcomeCode.DONE, None),
    "773": (OutcomeCode.MUST_CHANGE, None),
    "532": (OutcomeCode.PASSWORD_EXPIRED, None),
    "530": (OutcomeCode.SIGN_IN_HOURS, Kind.DIRECTORY_CONFIGURATION),
    "531": (OutcomeCode.WORKSTATION, Kind.DIRECTORY_CONFIGURATION),
    "533": (OutcomeCode.DISABLED, Kind.DISABLED),
    "701": (OutcomeCode.ACCOUNT_EXPIRED, Kind.DIRECTORY_CONFIGURATION),
    "775": (OutcomeCode.LOCKED_OUT, Kind.LOCKED_OUT),
}


def _signed_in(task: Task, answer: BindAnswer) -> Outcome:
    """What the directory's code means. Raises Refused for all but a right password that opens something."""
    code, kind = _BY_DATA.get(answer.data, (OutcomeCode.CURRENT_WRONG, Kind.CURRENT_WRONG))
    detail = "" if answer.data is None else f"data {answer.data}"
    if kind is not None:
        raise Refused(code, [kind], detail)
    return ended(task, code, detail=detail)
