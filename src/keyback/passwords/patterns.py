"""Terms that are made, not collected: walks over keyboards, runs of the alphabet, repeated characters, dates."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

__all__ = ["dates", "walks"]

_ROWS = (
    "1234567890",
    "0123456789",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiop",
    "yxcvbnm",
    "azertyuiop",
    "qsdfghjklm",
    "wxcvbn",
    "abcdefghijklmnopqrstuvwxyz",
)
# What lies on top of each other on QWERTY, QWERTZ and AZERTY.
_COLUMNS = (
    ("1qaz", "2wsx", "3edc", "4rfv", "5tgb", "6yhn", "7ujm"),
    ("1qay", "2wsx", "3edc", "4rfv", "5tgb", "6zhn", "7ujm"),
    ("1aqw", "2zsx", "3edc", "4rfv", "5tgb", "6yhn", "7ujm"),
)
_LONGEST = 10
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def walks() -> Iterator[str]:
    """Pieces of 4 to 10 keys in a row, both ways; columns, alone and two or three side by side; one key repeated."""
    for row in _ROWS:
        for line in (row, row[::-1]):
            for length in range(4, min(_LONGEST, len(line)) + 1):
                yield from (line[i : i + length] for i in range(len(line) - length + 1))
    for columns in _COLUMNS:
        for one in columns:
            yield from (one, one[::-1])
        for first, second in pairwise(columns):
            yield from (first + second, second + first, first + second[::-1], first[::-1] + second[::-1])
        yield from ("".join(columns[i : i + 3]) for i in range(len(columns) - 2))
    for key in "abcdefghijklmnopqrstuvwxyz0123456789!.-*#":
        yield from (key * length for length in (4, 6, 8))


def dates() -> Iterator[str]:
    """Years from 1940 to 2039, and days as DDMM and MMDD: a full date is found as two of them."""
    yield from map(str, range(1940, 2040))
    for month, days in enumerate(_DAYS, 1):
        for day in range(1, days + 1):
            yield from (f"{day:02}{month:02}", f"{month:02}{day:02}")
