"""What is wrong with a password, as values: a stable code, parameters, an English sentence.

A finding never tells which part of the password matched, since outcomes travel and are stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from keyback.passwords.complexity import (
    CLASSES_REQUIRED,
    classes,
    contains_account_name,
    contains_display_name,
    utf16_units,
)
from keyback.passwords.names import name_words
from keyback.passwords.policy import DirectoryPolicy

__all__ = ["LONGEST", "Code", "Finding", "PersonNames", "broken_complexity", "check", "unusable_characters"]

LONGEST = 256
"""UTF-16 units that a password in Active Directory may have."""


class Code(StrEnum):
    """Every rule that a password can break, noticed here or by the directory. Codes never change."""

    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    CHARACTERS = "characters"
    CLASSES = "classes"
    ACCOUNT_NAME = "account_name"
    DISPLAY_NAME = "display_name"
    BANNED = "banned"
    NAME = "name"
    BREACHED = "breached"
    UNCHECKED = "unchecked"
    UPPER = "upper"
    LOWER = "lower"
    DIGIT = "digit"
    SYMBOL = "symbol"
    REPEATS = "repeats"
    SEQUENCE = "sequence"
    SIMILAR = "similar"
    WEAK = "weak"
    TOO_YOUNG = "too_young"
    USED_BEFORE = "used_before"
    COMPLEXITY = "complexity"
    FILTER = "filter"
    USED_BEFORE_OR_FILTER = "used_before_or_filter"


_SENTENCES = {
    Code.TOO_SHORT: "Use at least {minimum} characters.",
    Code.TOO_LONG: "Use at most {maximum} characters.",
    Code.CHARACTERS: "Leave out the characters that cannot be typed at a keyboard.",
    Code.CLASSES: "Mix at least {required} of these: capital letters, small letters, digits, symbols, "
    "letters of scripts without capitals.",
    Code.ACCOUNT_NAME: "Leave out your account name.",
    Code.DISPLAY_NAME: "Leave out the parts of your name.",
    Code.BANNED: "This password is too easy to guess.",
    Code.NAME: "Leave out names that belong to you or your organization.",
    Code.BREACHED: "This password has appeared in a data breach. Choose another one.",
    Code.UNCHECKED: "Your password could not be checked just now. Try again in a few minutes.",
    Code.UPPER: "Use at least one capital letter.",
    Code.LOWER: "Use at least one small letter.",
    Code.DIGIT: "Use at least one digit.",
    Code.SYMBOL: "Use at least one symbol, such as ! or %.",
    Code.REPEATS: "Use the same character at most {maximum} times in a row.",
    Code.SEQUENCE: "Use at most {maximum} characters that follow each other, as in 1234 or abcd.",
    Code.SIMILAR: "This is too much like your current password.",
    Code.WEAK: "This password would be guessed too soon. Make it longer, or less like words that others use.",
    Code.TOO_YOUNG: "Your password was changed too recently to be changed again.",
    Code.USED_BEFORE: "You have used this password before. Choose another one.",
    Code.COMPLEXITY: "This password is not varied enough, or contains a part of your name.",
    Code.FILTER: "Your organization does not allow this password. Choose another one.",
    Code.USED_BEFORE_OR_FILTER: "You have used this password before, or your organization does not allow it. "
    "Choose another one.",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken rule. ``params`` holds figures of the policy, never anything of the password."""

    code: Code
    params: Mapping[str, int] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """What to do, in English."""
        return _SENTENCES[self.code].format(**self.params)

    def to_dict(self) -> dict[str, str | dict[str, int]]:
        """Plain values for JSON."""
        return {"code": self.code.value, "params": dict(self.params), "sentence": self.sentence}


@dataclass(frozen=True, slots=True)
class PersonNames:
    """The names that a password is held against. Active Directory's own rule takes sAMAccountName and displayName."""

    account_name: str
    display_name: str = ""
    given_name: str = ""
    surname: str = ""
    user_id: str = ""
    organization: tuple[str, ...] = ()

    def words(self, *, extended: bool = False) -> tuple[str, ...]:
        """The normalised words that the banned-word check refuses."""
        names = (self.display_name, self.given_name, self.surname, *self.organization)
        return name_words(names, whole=(self.account_name, self.user_id.partition("@")[0]), extended=extended)


def check(password: str, person: PersonNames, policy: DirectoryPolicy) -> list[Finding]:
    """Every rule that can be judged from the password alone and that it breaks, shortest remedy first."""
    units = utf16_units(password)
    if units > LONGEST:  # Alone, and first: nothing below should walk through a megabyte.
        return [Finding(Code.TOO_LONG, {"maximum": LONGEST})]
    found = []
    if units < policy.min_length:
        found.append(Finding(Code.TOO_SHORT, {"minimum": policy.min_length}))
    if unusable_characters(password):
        found.append(Finding(Code.CHARACTERS))
    if policy.complexity:
        found += broken_complexity(password, person)
    return found


def unusable_characters(password: str) -> bool:
    """Half of a surrogate pair cannot be sent, and a directory that keeps C strings would cut at the NUL."""
    return any(character == "\0" or "\ud800" <= character <= "\udfff" for character in password)


def broken_complexity(password: str, person: PersonNames) -> list[Finding]:
    """What Active Directory's complexity rule finds."""
    found = []
    if len(classes(password)) < CLASSES_REQUIRED:
        found.append(Finding(Code.CLASSES, {"required": CLASSES_REQUIRED}))
    if contains_account_name(password, person.account_name):
        found.append(Finding(Code.ACCOUNT_NAME))
    if contains_display_name(password, person.display_name):
        found.append(Finding(Code.DISPLAY_NAME))
    return found
