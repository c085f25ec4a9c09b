"""Bits that tell, for the first characters of a window, whether it may be within distance 1 of a banned term.

Two tables, each with a bit for every combination of symbols, so that a place in a password costs two look-ups:

- ``fours``: windows of exactly four characters;
- ``fives``: the first five characters of any longer window.

Each character is folded to one of 8, 16 or 32 symbols (the fewer terms, the fewer), so a bit may be set for another
window; it is never missing. With 100,000 terms one window in eight of random characters passes the second table, and
one in six, which mostly are what they seem, the first.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["SHORT", "WIDEST", "folded", "symbol_bits", "window_tables"]

SHORT = 4
"""Characters of the shortest term, and of the shortest window."""
WIDEST = 5
"""Bits of a symbol where each small letter has one of its own: there a bit for letters alone is certain."""


def symbol_bits(count: int) -> int:
    """How many bits a symbol has in a list of so many terms: with 5, ``fives`` takes 4 MiB."""
    return 3 if count < 100 else 4 if count < 5_000 else WIDEST


def folded(text: str, bits: int) -> bytes:
    """A symbol for each character, written as a digit of that base."""
    return text.encode("ascii", "replace").translate(_FOLDS[bits])


def window_tables(terms: Iterable[str], bits: int) -> tuple[bytes, bytes]:
    """``fours`` and ``fives``."""
    fours, fives = _Patterns(SHORT, bits), _Patterns(SHORT + 1, bits)
    for term in terms:
        symbols = folded(term, bits)
        if len(symbols) == SHORT:
            fours.one_substituted(symbols)
        elif len(symbols) == SHORT + 1:
            fours.one_left_out(symbols)
        fives.one_inserted(symbols)
        if len(symbols) > SHORT:
            fives.one_substituted(symbols)
        if len(symbols) > SHORT + 1:
            fives.one_left_out(symbols)
    return fours.table(), fives.table()


class _Patterns:
    """Combinations of ``size`` symbols, all of them known or all but one."""

    def __init__(self, size: int, bits: int) -> None:
        self._size = size
        self._bits = bits
        self._known: set[bytes] = set()
        self._without: list[set[bytes]] = [set() for _ in range(size)]  # what is known beside the place of any symbol

    def one_left_out(self, symbols: bytes) -> None:
        head = symbols[: self._size + 1]
        self._known.update(head[:place] + head[place + 1 :] for place in range(len(head)))

    def one_substituted(self, symbols: bytes) -> None:
        """Holds the unchanged one as well."""
        head = symbols[: self._size]
        for place, without in enumerate(self._without):
            without.add(head[:place] + head[place + 1 :])

    def one_inserted(self, symbols: bytes) -> None:
        head = symbols[: self._size - 1]
        for without in self._without:
            without.add(head)

    def table(self) -> bytes:
        """Bits, their place being the number that the digits make: those of the last one stand together in a word."""
        width = (1 << self._bits) // 8
        every = 1 << self._bits
        merged = int.from_bytes(self._set(self._known, self._size), "little")
        for place in range(self._size - 1):
            known = self._set(self._without[place], self._size - 1)
            block = width * every ** (self._size - 2 - place)
            spread = b"".join(known[start : start + block] * every for start in range(0, len(known), block))
            merged |= int.from_bytes(spread, "little")
        last = bytearray(width * every ** (self._size - 1))
        for known in self._without[-1]:
            start = width * int(known, every)
            last[start : start + width] = b"\xff" * width
        merged |= int.from_bytes(last, "little")
        return merged.to_bytes(len(last), "little")

    def _set(self, patterns: Iterable[bytes], size: int) -> bytes:
        base = 1 << self._bits
        found = bytearray(base**size // 8)
        for pattern in patterns:
            number = int(pattern, base)
            found[number >> 3] |= 1 << (number & 7)
        return bytes(found)


def _fold(bits: int) -> bytes:
    letters = range(ord("a"), ord("z") + 1)
    wide = [code - ord("a") if code in letters else len(letters) + code % 6 for code in range(256)]
    return bytes(_DIGITS[symbol % (1 << bits)] for symbol in wide)


_DIGITS = b"0123456789abcdefghijklmnopqrstuv"
_FOLDS = {bits: _fold(bits) for bits in (3, 4, WIDEST)}
