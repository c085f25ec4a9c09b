"""Banned words: normalise, names, whole, score. Reference: "How are passwords evaluated", Microsoft Entra password
protection; where that is silent, the rule is as written here.

1. The password is normalised (`keyback.passwords.normalise`).
2. *Names*: refused when it contains a word of a name.
3. *Whole*: refused when all of it is within edit distance 1 (insert, delete, substitute) of a banned term.
4. *Score*: banned terms that occur exactly, leftmost then longest, not overlapping, count 1 each. What remains falls
   into runs; a run of 4 or more characters that is within distance 1 of a term counts 1, every other remaining
   character 1. Accepted from 5 points.
5. *Strict*: a term counts once however often it occurs, and within the runs any window of 4 or more characters may
   match within distance 1, leftmost then longest. Exact occurrences come first here too, so that strict never gives
   more points than the ordinary score.

Where several terms are within distance 1, the nearest counts, then the first in the alphabet (strict: first of all one
that has counted already).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from keyback.passwords._termfile import SEPARATOR, Sections, compile_terms
from keyback.passwords.normalise import normalise

__all__ = ["POINTS_NEEDED", "BannedWords", "Match", "Verdict", "builtin"]

POINTS_NEEDED = 5
_DATA = Path(__file__).parent / "data"
_SHORTEST_RUN = 4
# No term holds these: halves of surrogate pairs have no UTF-8, and the look-ups use the separator themselves.
_NOT_IN_TERMS = re.compile(f"[{SEPARATOR}\ud800-\udfff]")
_GRAM = 4
_FIRST_POSITION = 2

# The overlapping 4-character pieces of a text of each usual length, as slices made once.
_GRAMS = [[slice(i, i + _GRAM) for i in range(n - _GRAM + 1)] for n in range(65)]


class Match(NamedTuple):
    """A banned term found at ``start`` to ``end`` (excluded) of the normalised password."""

    term: str
    start: int
    end: int
    distance: int


class Verdict(NamedTuple):
    """Holds the password: for trials by administrators, never for a log.

    ``matches``: what counted in the score. ``whole``: the term that all of it is like. ``name``: the word of a name.
    """

    normalised: str
    score: int
    matches: tuple[Match, ...]
    whole: Match | None
    name: str | None

    @property
    def accepted(self) -> bool:
        return self.score >= POINTS_NEEDED and self.whole is None and self.name is None

    @property
    def banned(self) -> bool:
        """Refused for its words, whatever the names say."""
        return self.score < POINTS_NEEDED or self.whole is not None

    def __repr__(self) -> str:
        return f"Verdict(score={self.score}, …)"

    def all_matches(self) -> tuple[Match, ...]:
        """``matches``, and ``whole`` before them where it is not one of them."""
        return self.matches if self.whole is None or self.whole in self.matches else (self.whole, *self.matches)

    def explain(self) -> list[str]:
        """Each step in words: for passwords that an administrator types as a trial. Never to be logged."""
        steps = [f"Normalised: {self.normalised}"]
        steps.append(f"Contains the name {self.name}: refused." if self.name else "Contains none of the names.")
        if self.whole:
            near = "is" if not self.whole.distance else "is within one edit of"
            steps.append(f"As a whole it {near} the banned {self.whole.term}: refused.")
        else:
            steps.append("As a whole it is not like a banned term.")
        counted = set()
        for match in self.matches:
            piece = self.normalised[match.start : match.end]
            like = "" if not match.distance else f", within one edit of {match.term}"
            points = 0 if match.term in counted and self._distinct() else 1
            counted.add(match.term)
            steps.append(f"[{piece}] at {match.start} to {match.end}{like}: {points} point{'' if points == 1 else 's'}")
        rest = len(self.normalised) - sum(match.end - match.start for match in self.matches)
        steps.append(f"Remaining characters: {rest} point{'' if rest == 1 else 's'}")
        verb = "accepted" if self.score >= POINTS_NEEDED else "refused"
        steps.append(f"Score {self.score} of the {POINTS_NEEDED} needed: {verb}.")
        return steps

    def _distinct(self) -> bool:
        rest = len(self.normalised) - sum(match.end - match.start for match in self.matches)
        return self.score < len(self.matches) + rest


class BannedWords:
    """A list of banned terms. Safe in threads; nothing of it is ever written."""

    def __init__(self, sections: Sections) -> None:
        self.count = sections.count
        self.extended = sections.extended
        self.title = sections.title
        self._content = sections  # keeps the mapped file alive
        self._prefixes = sections.terms.prefixes
        self._near_keys = sections.near.keys
        self._starts = sections.starts
        self._ends = sections.ends
        self._longest = sections.longest

    @classmethod
    def open(cls, path: Path) -> BannedWords:
        """A compiled list, mapped. Raises TermsRefused."""
        return cls(Sections.open(path))

    @classmethod
    def from_bytes(cls, compiled: bytes) -> BannedWords:
        return cls(Sections.of(compiled))

    @classmethod
    def of(cls, terms: Iterable[str], *, extended: bool = False, title: str = "") -> BannedWords:
        """A small list, compiled in memory (a second for each 30,000 terms). Raises TermsRefused."""
        return cls.from_bytes(compile_terms(terms, title=title, extended=extended))

    def normalise(self, password: str) -> str:
        """As this list's own terms were."""
        return normalise(password, extended=self.extended)

    def examine(self, password: str, names: Sequence[str] = (), *, strict: bool = False) -> Verdict:
        """The whole check; ``names`` come from `name_words`. Linear in the password's length."""
        text = normalise(password, extended=self.extended)
        name = next((word for word in names if word in text), None) if names else None
        plain = text
        if SEPARATOR in text or not text.isascii():
            plain = _NOT_IN_TERMS.sub("\0", text)
        matches = self._exact(plain)
        if not matches:
            return self._without_exact(text, plain, name, strict=strict)
        score = len({match.term for match in matches}) if strict else len(matches)
        seen = {match.term for match in matches}
        found: list[Match] = []
        for start, end in _gaps(matches, len(plain)):
            near = self._in_run(plain, start, end, seen, strict=strict)
            fresh = {match.term for match in near} - seen if strict else near
            score += len(fresh) + (end - start) - sum(match.end - match.start for match in near)
            seen.update(match.term for match in near)
            found += near
        return Verdict(text, score, tuple(sorted(matches + found, key=_start)), self._whole(plain, matches), name)

    def _without_exact(self, text: str, plain: str, name: str | None, *, strict: bool) -> Verdict:
        """The usual case: one run, which is the whole password."""
        length = len(plain)
        near = self._near(plain) if length <= self._longest + 1 else ()
        whole = Match(near[0][1], 0, length, near[0][0]) if near else None
        if whole and length >= _SHORTEST_RUN:
            return Verdict(text, 1, (whole,), whole, name)
        if not strict or length < _SHORTEST_RUN:
            return Verdict(text, length, (), whole, name)
        found = self._windows(plain, 0, length, set())
        score = len({match.term for match in found}) + length - sum(match.end - match.start for match in found)
        return Verdict(text, score, tuple(found), whole, name)

    def _whole(self, text: str, matches: Sequence[Match]) -> Match | None:
        first = matches[0]
        if first.start == 0 and first.end == len(text):
            return first
        if len(text) > self._longest + 1:
            return None
        near = self._near(text)
        return Match(near[0][1], 0, len(text), near[0][0]) if near else None

    def _exact(self, text: str) -> list[Match]:
        length = len(text)
        grams = _GRAMS[length] if length < len(_GRAMS) else [slice(i, i + _GRAM) for i in range(length - _GRAM + 1)]
        starts = self._starts
        if starts.isdisjoint(map(text.__getitem__, grams)):
            return []
        found, place = [], 0
        while place <= length - _GRAM:
            if text[place : place + _GRAM] in starts and (terms := self._prefixes(text[place : place + self._longest])):
                term = terms[-1]
                found.append(Match(term, place, place + len(term), 0))
                place += len(term)
            else:
                place += 1
        return found

    def _in_run(self, text: str, start: int, end: int, seen: set[str], *, strict: bool) -> list[Match]:
        if end - start < _SHORTEST_RUN:
            return []
        if strict:
            return self._windows(text, start, end, seen)
        if end - start > self._longest + 1 or not (near := self._near(text[start:end])):
            return []
        return [Match(near[0][1], start, end, near[0][0])]

    def _windows(self, text: str, start: int, end: int, seen: set[str]) -> list[Match]:
        found: list[Match] = []
        seen = set(seen)
        while end - start >= _SHORTEST_RUN:
            for stop in range(min(end, start + self._longest + 1), start + _SHORTEST_RUN - 1, -1):
                if near := self._near(text[start:stop]):
                    distance, term = next((one for one in near if one[1] in seen), near[0])
                    found.append(Match(term, start, stop, distance))
                    seen.add(term)
                    start = stop
                    break
            else:
                start += 1
        return found

    def _near(self, text: str) -> Sequence[tuple[int, str]]:
        """(distance, term) of every term within distance 1, best first."""
        length = len(text)
        half = length // 2
        # An edit leaves one half of the text as it is in the term: no known half, no term.
        if length >= 2 * _GRAM:
            first, second = text[:_GRAM] in self._starts, text[-_GRAM:] in self._ends
        elif length >= _SHORTEST_RUN:
            first, second = text[:half] in self._starts, text[half:] in self._ends
        else:
            first = second = True
        if not (first or second):
            return ()
        keys = self._near_keys
        found = set()
        key = text + SEPARATOR
        for hit in keys(key):
            found.add((0, text) if len(hit) == len(key) else (1, _restored(hit)))
        for i in range(0 if second else half, length if first else half):
            key = f"{text[:i]}{text[i + 1 :]}{SEPARATOR}"
            for hit in keys(key):
                if len(hit) == len(key):
                    found.add((1, hit[:-1]))
                elif _differ_once(term := _restored(hit), text):
                    found.add((1, term))
        return sorted(found)


@cache
def builtin() -> BannedWords:
    """The list that comes with the package; data/builtin.txt says what it is made of and under which licences."""
    return BannedWords.open(_DATA / "builtin.banned")


def _start(match: Match) -> int:
    return match.start


def _gaps(matches: Sequence[Match], length: int) -> Iterator[tuple[int, int]]:
    place = 0
    for match in matches:
        if match.start > place:
            yield place, match.start
        place = match.end
    if place < length:
        yield place, length


def _restored(hit: str) -> str:
    """The term of a key: what was left out goes back to where it was."""
    place = ord(hit[-2]) - _FIRST_POSITION
    return hit[:place] + hit[-1] + hit[place:-3]


def _differ_once(term: str, text: str) -> bool:
    return sum(a != b for a, b in zip(term, text, strict=True)) == 1
