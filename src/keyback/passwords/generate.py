"""New passwords that satisfy the rules they are made for: random characters, or a passphrase of words."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from keyback.errors import KeybackError
from keyback.passwords.findings import PersonNames
from keyback.passwords.profiles import Profile
from keyback.passwords.rules import Rules, judge

__all__ = ["ALPHABET", "CannotGenerate", "Generated", "passphrase", "random_password", "usual_length"]

# Without what is easily taken for something else when read aloud or from paper: 0 O o, 1 l I |, and quotation marks.
ALPHABET = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789!#$%&*+-./:=?@_"
_USUAL = 16
_TRIES = 10_000
_TRIES_OF_THE_HOPELESS = 200  # when every one of them breaks the same rule
_NOBODY = PersonNames("")


class CannotGenerate(KeybackError):
    """No password of this form satisfies the rules."""

    code = "cannot_generate"


@dataclass(frozen=True, slots=True)
class Generated:
    """``entropy_bits``: how many bits somebody lacks who knows how it was made, the rules included: what they refuse is
    subtracted as the share of tries that they refused."""

    password: str = field(repr=False)
    entropy_bits: float


def usual_length(profile: Profile) -> int:
    """16 characters, or the nearest to it that the profile allows."""
    length = max(_USUAL, profile.min_length, profile.min_units)
    return min(length, profile.max_length or length, profile.max_units or length)


def random_password(rules: Rules, rng: Random, *, length: int = 16, person: PersonNames = _NOBODY) -> Generated:
    """``rng``: `random.SystemRandom`, except in tests. Raises CannotGenerate."""

    def one() -> str:
        return "".join(rng.choices(ALPHABET, k=length))

    return _first_accepted(one, length * math.log2(len(ALPHABET)), rules, person)


def passphrase(
    rules: Rules, rng: Random, words: Sequence[str], *, count: int = 5, person: PersonNames = _NOBODY
) -> Generated:
    """Words with hyphens between, each with a capital letter, and a digit behind one of them, so that most rules for
    composition are met. Raises CannotGenerate."""

    def one() -> str:
        chosen = [rng.choice(words).capitalize() for _ in range(count)]
        chosen[rng.randrange(count)] += str(rng.randrange(10))
        return "-".join(chosen)

    return _first_accepted(one, count * math.log2(len(words)) + math.log2(10 * count), rules, person)


def _first_accepted(one: Callable[[], str], bits: float, rules: Rules, person: PersonNames) -> Generated:
    broken: set[str] | None = None
    for number in range(1, _TRIES + 1):
        password = one()
        judgement = judge(password, person, rules)
        if judgement.accepted:
            return Generated(password, bits - math.log2(number))
        codes = {finding.code.value for finding in judgement.findings}
        broken = codes if broken is None else broken & codes
        if number >= _TRIES_OF_THE_HOPELESS and broken:
            break
    raise CannotGenerate(
        f"nothing of this form satisfies the rules ({', '.join(sorted(broken or ())) or 'all of them'})"
    )
