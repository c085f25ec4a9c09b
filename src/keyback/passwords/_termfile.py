"""A compiled list of banned terms: one file, mapped into memory and so shared by every process that opens it.

Layout: the line ``KEYBACK BANNED 1``, then a line of JSON (what the list is, where each section begins, its CRC-32),
then the sections. ``terms`` and ``near`` are MARISA tries (a succinct structure, usable where it lies in the file):

- ``terms``: the normalised terms;
- ``near``: each term, and each term with one character left out, a separator, and which character went from where. Two
  texts within distance 1 meet there: one lookup for the text, and one for each character left out of it.

``starts`` and ``ends``: the first and last 4 characters of every term, and the first and last 2 and 3 of those up to 8
characters. A text within distance 1 of a term has its first or its second half in common with it, so that most
passwords are done with two look-ups in a set.
"""

from __future__ import annotations

import json
import mmap
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import marisa_trie

from keyback.errors import ConfigurationError
from keyback.passwords.normalise import normalise

__all__ = [
    "LONGEST_TERM",
    "MAGIC",
    "MOST_TERMS",
    "SEPARATOR",
    "SHORTEST_TERM",
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

MAGIC = b"KEYBACK BANNED 1\n"
_ALIGNMENT = 16
_SHORT = 8


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
    sections = {
        "terms": marisa_trie.Trie(chosen).tobytes(),
        "near": marisa_trie.Trie(_near_keys(chosen)).tobytes(),
        "starts": "\n".join(sorted(_starts(chosen))).encode(),
        "ends": "\n".join(sorted({term[::-1] for term in _starts({term[::-1] for term in chosen})})).encode(),
    }
    longest = max(map(len, chosen), default=0)
    facts = {"title": title, "count": len(chosen), "longest": longest, "extended": extended}
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


def _starts(terms: Iterable[str]) -> set[str]:
    found = set()
    for term in terms:
        found.add(term[:4])
        if len(term) <= _SHORT:
            found.update((term[:2], term[:3]))
    return found


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
