"""Active Directory's "password must meet complexity requirements", as Microsoft documents it.

Source: MS-SAMR 3.1.1.7.2 and "Strong Password Enforcement and Passfilt.dll". Windows classifies UTF-16 units
with GetStringTypeW; here Unicode's general categories stand in for it.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum

__all__ = [
    "CLASSES_REQUIRED",
    "CharacterClass",
    "classes",
    "contains_account_name",
    "contains_display_name",
    "display_name_tokens",
    "utf16_units",
]

CLASSES_REQUIRED = 3
_SHORTEST_NAME = 3

# The documented list. A space, and currency signs such as the euro's, are not on it and belong to no class.
_SYMBOLS = frozenset("~!@#$%^&*_-+=`|\\(){}[]:;\"'<>,.?/")
_DELIMITERS = re.compile(r"[,.\-_ #\t]")


class CharacterClass(StrEnum):
    """The five classes; a character belongs to one at most."""

    UPPER = "upper"
    LOWER = "lower"
    DIGIT = "digit"
    SYMBOL = "symbol"
    CASELESS = "caseless"  # letters without case, such as those of Asian scripts


_BY_CATEGORY = {
    "Lu": CharacterClass.UPPER,
    "Ll": CharacterClass.LOWER,
    "Lt": CharacterClass.CASELESS,
    "Lm": CharacterClass.CASELESS,
    "Lo": CharacterClass.CASELESS,
}


def utf16_units(text: str) -> int:
    """The length that Active Directory counts: UTF-16 units, so that an emoji is two."""
    return len(text) + sum(character > "\uffff" for character in text)


def classes(password: str) -> frozenset[CharacterClass]:
    """The classes that occur in the password."""
    return frozenset(found for character in password if (found := _class_of(character)) is not None)


def _class_of(character: str) -> CharacterClass | None:
    if "0" <= character <= "9":
        return CharacterClass.DIGIT
    if character in _SYMBOLS:
        return CharacterClass.SYMBOL
    if character > "\uffff":
        return None  # Windows looks at each half of the surrogate pair, and neither is a letter
    return _BY_CATEGORY.get(unicodedata.category(character))


def contains_account_name(password: str, account_name: str) -> bool:
    """Whether the whole account name (sAMAccountName) occurs, in any case; short names are not tested."""
    return utf16_units(account_name) >= _SHORTEST_NAME and _fold(account_name) in _fold(password)


def display_name_tokens(display_name: str) -> tuple[str, ...]:
    """The parts of a display name that a password may not contain: those of three characters or more."""
    return tuple(token for token in _DELIMITERS.split(display_name) if utf16_units(token) >= _SHORTEST_NAME)


def contains_display_name(password: str, display_name: str) -> bool:
    """Whether any token of the display name occurs whole, in any case."""
    folded = _fold(password)
    return any(_fold(token) in folded for token in display_name_tokens(display_name))


def _fold(text: str) -> str:
    # Windows maps one unit to one unit before it compares, so "ß" must not become "SS" as str.upper() has it.
    return "".join(upper if len(upper := character.upper()) == 1 else character for character in text)
