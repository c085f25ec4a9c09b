"""Words for passphrases."""

from __future__ import annotations

from pathlib import Path

from keyback.errors import ConfigurationError

__all__ = ["english_words", "read_words"]

_FEWEST = 1_000
_SHORTEST, _LONGEST = 4, 9
_ENGLISH = 3_000


def english_words() -> list[str]:
    """The most frequent English words of 4 to 9 letters in Wikipedia, from the list that comes with zxcvbn."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    fitting = (word for word in FREQUENCY_LISTS["english_wikipedia"] if word.isascii() and word.isalpha())
    return [word for word in fitting if _SHORTEST <= len(word) <= _LONGEST][:_ENGLISH]


def read_words(path: Path) -> list[str]:
    """One word a line; for Diceware lists the last word of the line. Raises ConfigurationError."""
    try:
        lines = path.read_text("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"{path}: cannot be read as UTF-8") from None
    words = sorted({line.split()[-1].lower() for line in lines if line.strip() and not line.startswith("#")})
    if len(words) < _FEWEST:
        raise ConfigurationError(f"{path}: {len(words)} words are too few; {_FEWEST} at least")
    return words
