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

import mmap
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from keyback.passwords._termfile import END, GRAM, NEAR, SEPARATOR, START, Sections, compile_terms
from keyback.passwords._windowtable import SHORT, WIDEST, folded
from keyback.passwords.normalise import normalise

__all__ = ["POINTS_NEEDED", "BannedWords", "Decision", "Match", "Verdict", "builtin"]

POINTS_NEEDED = 5
_DATA = Path(__file__).parent / "data"
# No term holds these: halves of surrogate pairs have no UTF-8, and the look-ups use the separator themselves.
_NOT_IN_TERMS = re.compile(f"[{SEPARATOR}\ud800-\udfff]")
_FIRST_POSITION = 2


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


class Decision(NamedTuple):
    """``banned``: refused for its words, whatever the names say; ``name``: it contains the word of a name."""

    banned: bool
    name: bool


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
        self._terms = sections.terms
        self._bits = sections.bits
        self._mask = len(sections.bits) - 1
        self._longest = sections.longest
        self._symbol_bits = sections.symbol_bits
        self._fours = sections.fours
        self._fives = sections.fives

    @classmethod
    def open(cls, path: Path) -> BannedWords:
        """A compiled list, mapped. Raises TermsRefused."""
        return cls(Sections.open(path))

    @classmethod
    def from_bytes(cls, compiled: bytes | mmap.mmap) -> BannedWords:
        """What follows on the compiled list is passed over. Raises TermsRefused."""
        return cls(Sections.of(compiled))

    @classmethod
    def of(cls, terms: Iterable[str], *, extended: bool = False, title: str = "") -> BannedWords:
        """A small list, compiled in memory (a second for each 50,000 terms). Raises TermsRefused."""
        return cls.from_bytes(compile_terms(terms, title=title, extended=extended))

    def normalise(self, password: str) -> str:
        """As this list's own terms were."""
        return normalise(password, extended=self.extended)

    def examine(self, password: str, names: Sequence[str] = (), *, strict: bool = False) -> Verdict:
        """The whole check, explained; ``names`` come from `name_words`. Linear in the password's length."""
        text = normalise(password, extended=self.extended)
        name = next((word for word in names if word in text), None)
        plain = _plain(text)
        matches = [Match._make(one) for one in self._exact(plain)]
        if not matches:
            return self._without_exact(text, plain, name, strict=strict)
        whole = self._whole(plain, matches)
        gaps = _gaps(matches, len(plain))
        if strict:
            score, found = self._strictly(plain, gaps, {match.term for match in matches})
        else:
            score, found = len(matches), []
            for start, end in gaps:
                if near := self._in_run(plain, start, end):
                    found.append(near)
                    score += 1
                else:
                    score += end - start
        if found:
            matches = sorted(matches + found, key=_start)
        return Verdict(text, score, tuple(matches), whole, name)

    def _without_exact(self, text: str, plain: str, name: str | None, *, strict: bool) -> Verdict:
        """The usual case: one run, which is the whole password."""
        length = len(plain)
        near = self._near(plain)
        whole = Match(near[0][1], 0, length, near[0][0]) if near else None
        if whole and length >= SHORT:
            return Verdict(text, 1, (whole,), whole, name)
        if not strict or length < SHORT:
            return Verdict(text, length, (), whole, name)
        score, found = self._strictly(plain, [(0, length)], set())
        return Verdict(text, score, tuple(found), whole, name)

    def decide(self, password: str, names: Sequence[str] = (), *, strict: bool = False) -> Decision:
        """What `examine` says, without the reasons: it stops where the points are enough, or cannot be any more."""
        text = normalise(password, extended=self.extended)
        name = False
        for word in names:
            if word in text:
                name = True
                break
        return Decision(self._is_banned(_plain(text), strict=strict), name)

    def _is_banned(self, text: str, *, strict: bool) -> bool:
        length = len(text)
        matches = self._exact(text)
        if not matches:
            if length < POINTS_NEEDED or self._near(text):
                return True
            return strict and not self._enough(text, [(0, length)], set(), 0)
        terms = {term for term, *_ in matches} if strict else set()
        points = len(terms) if strict else len(matches)
        gaps = _gaps(matches, length)
        if points + sum(end - start for start, end in gaps) < POINTS_NEEDED or self._whole(text, matches):
            return True
        # Short gaps count in full, long ones at least 1.
        runs = [gap for gap in gaps if gap[1] - gap[0] >= SHORT]
        points += sum(end - start for start, end in gaps if end - start < SHORT)
        if strict:
            return not self._enough(text, runs, terms, points)
        points += len(runs)
        for start, end in runs:
            if points >= POINTS_NEEDED:
                break
            if not self._near(text[start:end]):
                points += end - start - 1
        return points < POINTS_NEEDED

    def _enough(self, text: str, gaps: Sequence[tuple[int, int]], seen: set[str], points: int) -> bool:
        """Whether strict finds the points. Which terms windows are like is only asked where it matters."""
        points, windows = self._windows(text, gaps, points, POINTS_NEEDED)
        if points >= POINTS_NEEDED or points + len(windows) < POINTS_NEEDED:
            return points >= POINTS_NEEDED
        counted = len(seen)
        for start, end in windows:
            seen.add(self._term_of(text[start:end], seen)[1])
        return points + len(seen) - counted >= POINTS_NEEDED

    def _strictly(self, text: str, gaps: Sequence[tuple[int, int]], seen: set[str]) -> tuple[int, list[Match]]:
        """The score, and the windows that matched. ``seen``: the terms that occur exactly, and then those others."""
        rest, windows = self._windows(text, gaps, 0, len(text) + 1)
        found = []
        for start, end in windows:
            distance, term = self._term_of(text[start:end], seen)
            seen.add(term)
            found.append(Match(term, start, end, distance))
        return rest + len(seen), found

    def _term_of(self, window: str, seen: set[str]) -> tuple[int, str]:
        near = sorted(self._within_one(window, 0, len(window)))
        return next((one for one in near if one[1] in seen), near[0])

    def _windows(
        self, text: str, gaps: Sequence[tuple[int, int]], points: int, enough: int
    ) -> tuple[int, list[tuple[int, int]]]:
        """The windows that are like a term, and the points with every other character: until there are ``enough``."""
        found = []
        bits, fours, fives, longest = self._symbol_bits, self._fours, self._fives, self._longest
        certain = bits == WIDEST and text.isascii()
        symbols, base = folded(text, bits) + b"0", 1 << bits
        for place, end in gaps:
            start = place
            while end - start >= SHORT and points < enough:
                key = int(symbols[start : start + SHORT + 1], base)
                length = 0
                if fives[key >> 3] >> (key & 7) & 1 and end - start > SHORT:
                    length = self._longest_window(text[start : min(end, start + longest + 1)])
                if not length:
                    key >>= bits
                    if fours[key >> 3] >> (key & 7) & 1:
                        four = text[start : start + SHORT]
                        if (certain and four.isalpha()) or any(self._within_one(four, 0, SHORT)):
                            length = SHORT
                if length:
                    found.append((start, start + length))
                    start += length
                else:
                    points += 1
                    start += 1
            points += end - start
        return points, found

    def _longest_window(self, text: str) -> int:
        """How long the longest one is that begins the text and has more than four characters; 0 for none."""
        size, ends = len(text), self._ends
        backwards = text[::-1]
        high = self._reach(text, self._starts, START)
        for length in range(size, SHORT, -1):
            # What follows on the edit must be how a term ends.
            rest, last = length - 1 - high, size - length
            if rest > 0 and not (
                (rest < GRAM or backwards[last : last + GRAM] in ends)
                and self._has(backwards[last : last + rest], ends, END)
            ):
                continue
            low = length - 1 - self._reach(backwards[last:], ends, END, max(GRAM, rest))
            if low <= high and any(self._within_one(text[:length], max(0, low), high)):
                return length
        return 0

    def _whole(self, text: str, matches: Sequence[tuple[str, int, int, int]]) -> Match | None:
        term, start, first_end, _ = matches[0]
        if start == 0 and first_end == len(text):
            return Match(term, 0, first_end, 0)
        _, last_start, end, _ = matches[-1]
        near = self._near(text, GRAM if start else first_end, GRAM if end < len(text) else end - last_start)
        return Match(near[0][1], 0, len(text), near[0][0]) if near else None

    def _exact(self, text: str) -> list[tuple[str, int, int, int]]:
        """Each as a `Match` has it."""
        starts, prefixes, longest = self._starts, self._prefixes, self._longest
        found = []
        place, last = 0, len(text) - GRAM
        while place <= last:
            if text[place : place + GRAM] in starts and (terms := prefixes(text[place : place + longest])):
                term = terms[-1]
                end = place + len(term)
                found.append((term, place, end, 0))
                place = end
            else:
                place += 1
        return found

    def _in_run(self, text: str, start: int, end: int) -> Match | None:
        if end - start < SHORT or not (near := self._near(text[start:end])):
            return None
        return Match(near[0][1], start, end, near[0][0])

    def _reach(self, text: str, grams: frozenset[str], role: int, least: int = GRAM) -> int:
        """How many characters of the text some term begins with (or ends with, both backwards). Rarely too many.
        ``least``: how many are known to be."""
        size = min(len(text), self._longest)
        if text[:GRAM] not in grams:  # written out: a loop takes twice the time
            return min(size, 3 if text[:3] in grams else 2 if text[:2] in grams else 1 if text[:1] in grams else 0)
        bits, mask = self._bits, self._mask
        reach = least
        while reach < size:
            crc = crc32(text[: reach + 1].encode(), role)
            if not bits[crc & mask] >> (crc >> 29) & 1:
                return reach
            reach += 1
        return size

    def _has(self, piece: str, grams: frozenset[str], role: int) -> bool:
        """Whether some term begins (ends) with this. Rarely wrong, and then True."""
        if len(piece) <= GRAM:
            return piece in grams
        crc = crc32(piece.encode(), role)
        return bool(self._bits[crc & self._mask] >> (crc >> 29) & 1)

    def _near(self, text: str, head: int = GRAM, tail: int = GRAM) -> Sequence[tuple[int, str]]:
        """(distance, term) of the terms within distance 1, best first; of those at distance 0 only that one.
        ``head`` and ``tail``: how many characters are known to begin, and to end, a term."""
        length = len(text)
        if length > self._longest + 1:
            return ()
        backwards = text[::-1]
        starts, ends = self._starts, self._ends
        # An edit leaves one half as it is.
        if length >= 2 * GRAM and text[:GRAM] not in starts and backwards[:GRAM] not in ends:
            return ()
        high = self._reach(text, starts, START, head)
        if high == length and text in self._terms:
            return ((0, text),)
        rest = length - 1 - high
        if rest > 0 and not self._has(backwards[:rest], ends, END):
            return ()
        low = length - 1 - self._reach(backwards, ends, END, max(tail, rest))
        return sorted(set(self._within_one(text, max(0, low), high))) if low <= high else ()

    def _within_one(self, text: str, low: int, high: int) -> Iterator[tuple[int, str]]:
        """(distance, term) of every term within distance 1, some of them twice, where the edit lies between these
        places: terms begin with what is before ``high``, and end with what is after ``low``."""
        bits, mask = self._bits, self._mask
        if low < high or not low:  # both overlap: all of it may be a term, or lack a character
            crc = crc32(text.encode(), NEAR)
            if bits[crc & mask] >> (crc >> 29) & 1:
                for term in self._of_key(text):
                    yield int(term != text), term
        for place in range(low, min(high + 1, len(text))):
            left = text[:place] + text[place + 1 :]
            crc = crc32(left.encode(), NEAR)
            if bits[crc & mask] >> (crc >> 29) & 1:
                for term in self._of_key(left):
                    # Without a character at the same place it must be the same; then that one was substituted.
                    if term == left or (term[place] != text[place] and term[:place] + term[place + 1 :] == left):
                        yield 1, term

    def _of_key(self, key: str) -> list[str]:
        """The terms that are this, or are this without one of their characters."""
        terms = []
        end = len(key)
        for hit in self._near_keys(key + SEPARATOR):
            if len(hit) == end + 1:
                terms.append(key)
            else:
                place = ord(hit[-2]) - _FIRST_POSITION
                terms.append(key[:place] + hit[-1] + key[place:])
        return terms


@cache
def builtin() -> BannedWords:
    """The list that comes with the package; data/builtin.txt says what it is made of and under which licences."""
    return BannedWords.open(_DATA / "builtin.banned")


def _plain(text: str) -> str:
    """Without what no term holds."""
    return text if text.isascii() and SEPARATOR not in text else _NOT_IN_TERMS.sub("\0", text)


def _start(match: Match) -> int:
    return match.start


def _gaps(matches: Sequence[tuple[str, int, int, int]], length: int) -> list[tuple[int, int]]:
    found, place = [], 0
    for _, start, end, _ in matches:
        if start > place:
            found.append((place, start))
        place = end
    if place < length:
        found.append((place, length))
    return found
