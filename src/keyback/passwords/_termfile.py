"""A compiled list of banned terms: one file, mapped into memory and so shared by every process that opens it.

Layout: the line ``KEYBACK BANNED 3``, then a line of JSON (what the list is, where each section begins, its CRC-32),
then the sections. ``terms`` and ``near`` are MARISA tries (a succinct structure, usable where it lies in the file):

- ``terms``: the normalised terms;
- ``near``: each term, and each term with one character left out, a separator, and which character went from where. Two
  texts within distance 1 meet there: one lookup for the text, and one for each character left out of it.

``starts`` and ``ends``: the first and last 1 to 4 characters of every term; the ends are read backwards. ``bits``: one
for the CRC-32 of each longer beginning, of each longer end, and of each text in ``near``. A bit may be set for another
text, so they only tell where a trie need not be asked. With them it is known how far into a text some term goes from
either side; an edit lies where the two meet, which leaves one or two look-ups instead of one for each character.

``fours`` and ``fives``: where a window of a password may begin (`keyback.passwords._windowtable`).
"""

from __future__ import annotations

import json
import mmap
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import marisa_trie

from keyback.errors import ConfigurationError
from keyback.passwords._windowtable import symbol_bits, window_tables
from keyback.passwords.normalise import normalise

__all__ = [
    "END",
    "GRAM",
    "KIND",
    "LONGEST_TERM",
    "MAGIC",
    "MOST_TERMS",
    "NEAR",
    "SEPARATOR",
    "SHORTEST_TERM",
    "START",
    "Sections",
    "TermsRefused",
    "compile_terms",
    "refusal_of",
]

SHORTEST_TERM = 4
LONGEST_TERM = 16
MOST_TERMS = 100_000
SEPARATOR = "\x01"
_FIRST_POSITION = 2  # position 0 is written as the character after the separator

KIND = b"KEYBACK BANNED "
MAGIC = KIND + b"3\n"
GRAM = 4
"""The longest piece that stands in ``starts`` and ``ends``; what is longer has a bit."""
START, END, NEAR = 0, 1, 2
"""What the CRC-32 begins with: for a beginning, an end, and a text in ``near``."""
_ALIGNMENT = 16


class TermsRefused(ConfigurationError):
    """A list of terms, or a compiled file, that cannot be used; the message says what is wrong with which."""

    code = "banned_terms_refused"


@dataclass(frozen=True, slots=True)
class Sections:
    """What is in a compiled list. ``longest``: characters of its longest normalised term."""

    content: bytes | mmap.mmap  # where the tries lie: it must live as long as they do
    terms: Any
    near: Any
    starts: frozenset[str]
    ends: frozenset[str]
    bits: memoryview
    fours: memoryview
    fives: memoryview
    symbol_bits: int
    longest: int
    count: int
    extended: bool
    title: str

    @classmethod
    def of(cls, content: bytes | mmap.mmap, name: str = "the list") -> Sections:
        """Reads a compiled list where it lies. Raises TermsRefused when it is damaged."""
        view = memoryview(content)
        end = content.find(b"\n", len(MAGIC))
        if content[: len(MAGIC)] != MAGIC or end < 0:
            if content[: len(KIND)] == KIND:
                raise TermsRefused(f"{name}: compiled by another version of Keyback, or damaged; compile it anew")
            raise TermsRefused(f"{name}: not a compiled list of banned terms")
        try:
            header = json.loads(content[len(MAGIC) : end])
            parts = {}
            for key, (start, size, checksum) in header["sections"].items():
                parts[key] = view[start : start + size]
                if len(parts[key]) != size or zlib.crc32(parts[key]) != checksum:
                    raise TermsRefused(f"{name}: damaged ({key}); compile it anew")
            return cls(
                content=content,
                terms=marisa_trie.Trie().map(parts["terms"]),
                near=marisa_trie.Trie().map(parts["near"]),
                starts=_words(parts["starts"]),
                ends=_words(parts["ends"]),
                bits=parts["bits"],
                fours=parts["fours"],
                fives=parts["fives"],
                symbol_bits=int(header["symbol_bits"]),
                longest=int(header["longest"]),
                count=int(header["count"]),
                extended=bool(header["extended"]),
                title=str(header["title"]),
            )
        except (ValueError, KeyError, TypeError):
            raise TermsRefused(f"{name}: damaged (header); compile it anew") from None

    @classmethod
    def open(cls, path: Path) -> Sections:
        """Maps a compiled list. Raises TermsRefused."""
        try:
            with path.open("rb") as file:
                return cls.of(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), str(path))
        except OSError as error:
            raise TermsRefused(f"{path}: {error.strerror}") from None
        except ValueError:  # an empty file cannot be mapped
            raise TermsRefused(f"{path}: not a compiled list of banned terms") from None


def compile_terms(terms: Iterable[str], *, title: str, extended: bool = False, most: int = MOST_TERMS) -> bytes:
    """The content of a compiled list. Raises TermsRefused naming the term's place, counted from 1."""
    chosen: set[str] = set()
    for place, term in enumerate(terms, 1):
        if why := refusal_of(term, extended=extended):
            raise TermsRefused(f"term {place}: {why}")
        chosen.add(normalise(term, extended=extended))
        if len(chosen) > most:
            raise TermsRefused(f"more than {most} terms")
    backwards = {term[::-1] for term in chosen}
    near = list(_near_keys(chosen))
    symbols = symbol_bits(len(chosen))
    fours, fives = window_tables(chosen, symbols)
    sections = {
        "terms": marisa_trie.Trie(chosen).tobytes(),
        "near": marisa_trie.Trie(near).tobytes(),
        "starts": "\n".join(sorted(_grams(chosen))).encode(),
        "ends": "\n".join(sorted(_grams(backwards))).encode(),
        "bits": _bits(chosen, backwards, near),
        "fours": fours,
        "fives": fives,
    }
    longest = max(map(len, chosen), default=0)
    facts = {"title": title, "count": len(chosen), "longest": longest, "extended": extended, "symbol_bits": symbols}
    return _file(facts, sections)


def refusal_of(term: str, *, extended: bool = False) -> str:
    """Why this cannot be a term; empty when it can."""
    normalised = normalise(term, extended=extended)
    if not SHORTEST_TERM <= len(term) <= LONGEST_TERM or not SHORTEST_TERM <= len(normalised) <= 2 * LONGEST_TERM:
        return f"a term has {SHORTEST_TERM} to {LONGEST_TERM} characters"
    if any(ch < " " or "\ud800" <= ch <= "\udfff" for ch in normalised):
        return "a term holds no control characters"
    return ""


def _near_keys(terms: Iterable[str]) -> Iterator[str]:
    for term in terms:
        yield term + SEPARATOR
        for i, left_out in enumerate(term):
            if not i or left_out != term[i - 1]:  # of "ss" either may go: the same key
                yield f"{term[:i]}{term[i + 1 :]}{SEPARATOR}{chr(_FIRST_POSITION + i)}{left_out}"


def _grams(terms: Iterable[str]) -> set[str]:
    return {term[:size] for term in terms for size in range(1, GRAM + 1)}


def _bits(terms: Iterable[str], backwards: Iterable[str], near: Sequence[str]) -> bytes:
    """A table of 2^n bytes, so that about a tenth is set. The low bits of a CRC tell the byte, its three highest the
    bit."""
    table = bytearray(1 << (2 * len(near)).bit_length())
    mask, crc32 = len(table) - 1, zlib.crc32
    for role, ones in ((START, terms), (END, backwards)):
        for one in ones:
            crc = crc32(one[:GRAM].encode(), role)
            for character in one[GRAM:]:
                crc = crc32(character.encode(), crc)
                table[crc & mask] |= 1 << (crc >> 29)
    for key in near:
        crc = crc32(key[: key.index(SEPARATOR)].encode(), NEAR)
        table[crc & mask] |= 1 << (crc >> 29)
    return bytes(table)


def _file(facts: dict[str, object], sections: dict[str, bytes]) -> bytes:
    # Offsets stand in the header, whose length depends on them: a first round with the largest, then padding.
    widest = {key: (2**40, len(part), 2**32 - 1) for key, part in sections.items()}
    room = len(MAGIC) + len(json.dumps({**facts, "sections": widest})) + 1
    offset = room + -room % _ALIGNMENT
    start = offset
    table, body = {}, b""
    for key, part in sections.items():
        table[key] = (offset + len(body), len(part), zlib.crc32(part))
        body += part + bytes(-len(part) % _ALIGNMENT)
    header = json.dumps({**facts, "sections": table}).encode()
    return MAGIC + header.ljust(start - len(MAGIC) - 1) + b"\n" + body


def _words(part: memoryview) -> frozenset[str]:
    text = bytes(part).decode()
    return frozenset(text.split("\n")) if text else frozenset()
