"""The spelling under which passwords, banned terms and names are compared.

Unicode NFKC, lower case, then the substitutions that people reach for. Source: Microsoft's description of password
protection names the four of the basic table ("such as"); the extended one adds what cracking rules try as well.
"""

from __future__ import annotations

import unicodedata

__all__ = ["normalise"]

_BASIC = ("01$@", "olsa")
_EXTENDED = ("01$@3457!|", "olsaeastil")


def _tables(signs: str, letters: str) -> tuple[bytes, dict[int, int]]:
    """For ASCII, with the lower case in it: a quarter of the time; and for the rest."""
    upper, lower = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz"
    return bytes.maketrans(upper + signs.encode(), lower + letters.encode()), str.maketrans(signs, letters)


_TABLES = (_tables(*_BASIC), _tables(*_EXTENDED))


def normalise(text: str, *, extended: bool = False) -> str:
    """The text as it is compared. It may be longer than what was typed: NFKC writes ligatures out."""
    ascii_table, table = _TABLES[extended]
    if text.isascii():
        return text.encode().translate(ascii_table).decode()
    return unicodedata.normalize("NFKC", text).lower().translate(table)
