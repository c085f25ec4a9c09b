"""Breached passwords asked of a range service: it learns the first five digits of a hash, which it shares with hundreds
of others (k-anonymity; Troy Hunt's Pwned Passwords API is the model). How the question travels is the caller's."""

from __future__ import annotations

from collections.abc import Callable

from keyback.errors import KeybackError
from keyback.passwords.breached import Kind, digest_of

__all__ = ["LONGEST_ANSWER", "RangeService", "RangeUnavailable"]

PREFIX_DIGITS = 5
LONGEST_ANSWER = 1_000_000
"""Characters."""


class RangeUnavailable(KeybackError):
    """The service did not answer, and the setting says that a password nobody could look up is refused."""

    code = "range_unavailable"


class RangeService:
    """``password in service``. ``ask`` takes five digits and returns lines ``SUFFIX:COUNT``; it raises OSError when
    there is no answer in time. ``fail_open``: whether a password passes then. No default: it has to be chosen."""

    def __init__(
        self, ask: Callable[[str], str], *, fail_open: bool, kind: Kind = Kind.SHA1, min_count: int = 1
    ) -> None:
        self._ask = ask
        self._fail_open = fail_open
        self._kind = kind
        self._min_count = min_count

    def __contains__(self, password: str) -> bool:
        """Raises RangeUnavailable."""
        digits = digest_of(password, self._kind).hex().upper()
        try:
            answer = self._ask(digits[:PREFIX_DIGITS])
            return self._listed(answer, digits[PREFIX_DIGITS:])
        except (OSError, ValueError) as error:
            if self._fail_open:
                return False
            raise RangeUnavailable(f"breached passwords cannot be looked up: {type(error).__name__}") from None

    def _listed(self, answer: str, suffix: str) -> bool:
        if len(answer) > LONGEST_ANSWER:
            raise ValueError("the answer is too long")
        for line in answer.splitlines():
            found, _, count = line.strip().partition(":")
            # Padding, which hides how many there are, has a count of 0.
            if found.upper() == suffix and int(count or 1) >= max(1, self._min_count):
                return True
        return False
