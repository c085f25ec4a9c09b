"""The spelling under which passwords, banned terms and names are compared.

Unicode NFKC, lower case, then the substitutions that people reach for. Source: Microsoft's description of password
protection names the four of the basic table ("such as"); the extended one adds what cracking rules try as well.
"""

from __future__ import annotations

import unicodedata

__all__ = ["normalise"]

_BASIC = str.maketrans("01$@", "olsa")
_EXTENDED = _BASIC | str.maketrans("3457!|", "eastil")


def normalise(text: str, *, extended: bool = False) -> str:
    """The text as it is compared. It may be longer than what was typed: NFKC writes ligatures out."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return text.lower().translate(_EXTENDED if extended else _BASIC)
