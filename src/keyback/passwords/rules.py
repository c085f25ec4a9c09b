"""Everything that a password is judged by, in one call: lengths, classes, names, banned words, breaches, likeness.

All failures come back at once. What is too long for any directory is refused by that alone, before anything that takes
longer for longer texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Protocol

from keyback.passwords.banned import BannedWords, Verdict
from keyback.passwords.complexity import CharacterClass, classes, utf16_units
from keyback.passwords.findings import LONGEST, Code, Finding, PersonNames, broken_complexity, unusable_characters
from keyback.passwords.names import name_words
from keyback.passwords.normalise import normalise
from keyback.passwords.profiles import Profile

__all__ = [
    "OF_WORDS",
    "Breached",
    "Judgement",
    "Rules",
    "judge",
    "longest_repeat",
    "longest_sequence",
    "similarity_percent",
]


OF_WORDS = frozenset({Code.BANNED, Code.NAME, Code.BREACHED, Code.UNCHECKED})
"""What an organization's mode (off, audit, enforce) decides about; all else are rules that always count."""


class Breached(Protocol):
    """A file or a service that knows breached passwords."""

    def __contains__(self, password: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class Rules:
    """What to judge by. ``names``: further names than the person's own, such as an administrator's trial gives."""

    profile: Profile = field(default_factory=Profile)
    banned: BannedWords | None = None
    strict: bool = False
    breached: Breached | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """``verdict`` holds the password: for trials only. None when none was asked for, the password was too long to look
    at, or no list was given."""

    findings: tuple[Finding, ...]
    verdict: Verdict | None = field(default=None, repr=False)

    @property
    def accepted(self) -> bool:
        return not self.findings


def judge(
    password: str, person: PersonNames, rules: Rules, *, current: str | None = None, explain: bool = False
) -> Judgement:
    """Every rule that the password breaks, shortest remedy first. ``current``: the person's password until now.
    ``explain``: with the verdict, for trials."""
    if utf16_units(password) > LONGEST:
        return Judgement((Finding(Code.TOO_LONG, {"maximum": LONGEST}),))
    found = _lengths(password, rules.profile)
    if unusable_characters(password):
        found.append(Finding(Code.CHARACTERS))
    found += _composition(password, person, rules.profile)
    verdict = None
    if rules.banned is not None:
        words = person.words(extended=rules.banned.extended)
        if rules.names:
            words += name_words(rules.names, whole=rules.names, extended=rules.banned.extended)
        if explain:
            verdict = rules.banned.examine(password, words, strict=rules.strict)
            banned, name = verdict.banned, verdict.name is not None
        else:
            banned, name = rules.banned.decide(password, words, strict=rules.strict)
        if banned:
            found.append(Finding(Code.BANNED))
        if name:
            found.append(Finding(Code.NAME))
    if rules.breached is not None and password in rules.breached:
        found.append(Finding(Code.BREACHED))
    found += _likeness(password, person, rules, current)
    return Judgement(tuple(found), verdict)


def _lengths(password: str, profile: Profile) -> list[Finding]:
    points, units = len(password), utf16_units(password)
    found = []
    if points < profile.min_length:
        found.append(Finding(Code.TOO_SHORT, {"minimum": profile.min_length}))
    elif units < profile.min_units:
        found.append(Finding(Code.TOO_SHORT, {"minimum": profile.min_units}))
    if profile.max_length and points > profile.max_length:
        found.append(Finding(Code.TOO_LONG, {"maximum": profile.max_length}))
    elif profile.max_units and units > profile.max_units:
        found.append(Finding(Code.TOO_LONG, {"maximum": profile.max_units}))
    return found


def _composition(password: str, person: PersonNames, profile: Profile) -> list[Finding]:
    found = broken_complexity(password, person) if profile.complexity else []
    wanted = {
        Code.UPPER: (profile.upper, CharacterClass.UPPER),
        Code.LOWER: (profile.lower, CharacterClass.LOWER),
        Code.DIGIT: (profile.digit, CharacterClass.DIGIT),
        Code.SYMBOL: (profile.symbol, CharacterClass.SYMBOL),
    }
    there = classes(password)
    found += [Finding(code) for code, (needed, kind) in wanted.items() if needed and kind not in there]
    if profile.same_in_a_row and longest_repeat(password) > profile.same_in_a_row:
        found.append(Finding(Code.REPEATS, {"maximum": profile.same_in_a_row}))
    if profile.sequence and longest_sequence(password) > profile.sequence:
        found.append(Finding(Code.SEQUENCE, {"maximum": profile.sequence}))
    return found


def _likeness(password: str, person: PersonNames, rules: Rules, current: str | None) -> list[Finding]:
    found = []
    profile = rules.profile
    # Only what a directory could hold is compared: the time grows with the product of both lengths.
    comparable = current is not None and profile.similar_percent and utf16_units(current) <= LONGEST
    if comparable and similarity_percent(password, current or "") >= profile.similar_percent:
        found.append(Finding(Code.SIMILAR))
    if profile.strength:
        from keyback.passwords.strength import estimate

        if estimate(password, person).score < profile.strength:
            found.append(Finding(Code.WEAK))
    return found


def longest_repeat(password: str) -> int:
    """How often the same character stands in a row, at most; 0 for nothing at all."""
    longest, run, last = 0, 0, ""
    for character in password:
        run = run + 1 if character == last else 1
        last = character
        longest = max(longest, run)
    return longest


def longest_sequence(password: str) -> int:
    """The longest run of letters or digits that follow each other up or down, in any case: ``CBa`` is 3."""
    points: Sequence[int] = [ord(c) if c.isalnum() else -2 for c in password.lower()]
    longest, run, step = min(1, len(points)), 1, 0
    for before, point in pairwise(points):
        now = point - before if before >= 0 and point >= 0 else 0
        run = run + 1 if now == step and now in (1, -1) else (2 if now in (1, -1) else 1)
        step = now
        longest = max(longest, run)
    return longest


def similarity_percent(first: str, second: str) -> int:
    """How alike two passwords are, 0 to 100, normalised first: twice the characters in common, in order, by all."""
    a, b = normalise(first), normalise(second)
    return int(100 * SequenceMatcher(None, a, b, autojunk=False).ratio())
