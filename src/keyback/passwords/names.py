"""Which words of a person's and an organization's names a password may not contain."""

from __future__ import annotations

import re
from collections.abc import Iterable

from keyback.passwords.normalise import normalise

__all__ = ["SHORTEST_WORD", "name_words"]

SHORTEST_WORD = 4

# Where Active Directory splits display names, and every other white space.
_SPLIT = re.compile(r"[,.\-_#\s]+")


def name_words(names: Iterable[str], *, whole: Iterable[str] = (), extended: bool = False) -> tuple[str, ...]:
    """Normalised words of four or more characters, in the order of the alphabet.

    ``names`` are split into words. ``whole`` (account names, local parts of user IDs) are split too, and count as they
    stand as well: ``j.d.p.9`` has no word of four characters, but is one.
    """
    entire = [normalise(name, extended=extended) for name in whole]
    words = {word for name in names for word in _SPLIT.split(normalise(name, extended=extended))}
    words.update(entire, *(_SPLIT.split(name) for name in entire))
    return tuple(sorted(word for word in words if len(word) >= SHORTEST_WORD))
