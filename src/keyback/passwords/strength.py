"""How long a password would stand up to guessing, as zxcvbn estimates it (Wheeler, USENIX Security 2016)."""

from __future__ import annotations

from dataclasses import dataclass

from keyback.passwords.findings import PersonNames

__all__ = ["Strength", "estimate"]

_LONGEST = 72
"""What zxcvbn looks at: its time grows with the square of the length. More characters only make a password stronger."""


@dataclass(frozen=True, slots=True)
class Strength:
    """``score`` 0 (guessed at once) to 4 (strong); ``guesses_log10``: how many guesses, as a power of ten."""

    score: int
    guesses_log10: float


def estimate(password: str, person: PersonNames | None = None) -> Strength:
    """An empty password is 0. The person's names count as words that an attacker tries first."""
    if not password:
        return Strength(0, 0.0)
    from zxcvbn import zxcvbn  # a tenth of a second to load its lists

    names = [] if person is None else [n for n in (person.account_name, person.display_name, *person.words()) if n]
    found = zxcvbn(password[:_LONGEST], user_inputs=names)
    return Strength(int(found["score"]), float(found["guesses_log10"]))
