"""The current password is tried sparingly: each wrong one brings the account nearer to its lock-out.

This agent spends at most half of the account's effective lock-out threshold in an observation window, sign-ins and
changes together, and nothing where the directory has counted so many failures already: the other half is left for the
person's own computers. A try is counted on disk before it is made.
"""

from __future__ import annotations

from datetime import datetime

from keyback.agent.catalogue import Kind
from keyback.agent.clock import Clock
from keyback.agent.journal import Journal
from keyback.agent.refusals import Refused
from keyback.directory import Account, Lockout
from keyback.protocol.messages import Finding
from keyback.protocol.outcomes import OutcomeCode

__all__ = ["Tries"]


class Tries:
    """The tries that one request makes on one account. ``directory_now``: the directory's time."""

    def __init__(
        self, journal: Journal, clock: Clock, account: Account, lockout: Lockout, directory_now: datetime
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._account = account
        self._lockout = lockout
        self._most = lockout.threshold // 2
        self._counted = account.failures(lockout.window, directory_now)
        self._spent: list[int] = []

    def spend(self) -> None:
        """Called before each try. Raises Refused when there may be no more of them."""
        if not self._lockout.threshold:
            return  # accounts are never locked out here
        now = self._clock.now()
        window = self._lockout.window
        if self._counted + len(self._spent) >= self._most:
            raise self._refused()
        since = None if window is None else now - window
        number = self._journal.spend_try(self._account.guid, since=since, most=self._most, now=now)
        if number is None:
            raise self._refused()
        self._spent.append(number)

    def right(self, *, signed_in: bool) -> None:
        """None of them was wrong. ``signed_in``: and the directory has forgotten those before, as it does then."""
        if signed_in:
            self._journal.forgive_tries(self._account.guid)
        else:
            for number in self._spent:
                self._journal.forgive_try(number)
        self._spent.clear()

    def _refused(self) -> Refused:
        params = {}
        if self._lockout.window is not None:
            tries = [self._account.bad_password_at, self._journal.last_try(self._account.guid)]
            if last := max(filter(None, tries), default=None):
                params["possible_from"] = (last + self._lockout.window).isoformat()
        detail = (
            f"{self._counted} failures counted by the directory, locked out at {self._lockout.threshold}: "
            f"the agent leaves half of them to the person"
        )
        finding = Finding(code=OutcomeCode.TRIES_SPENT.value, params=params)
        return Refused(OutcomeCode.TRIES_SPENT, [Kind.TRIES_SPENT], detail, [finding])
