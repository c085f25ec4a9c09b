"""The banned-word rules again, slow and obvious, from their text: for comparison with the fast ones.

Everything within one edit of a term is written out beforehand, over an alphabet with every character of the cases.
Nothing here is imported from keyback.
"""

from __future__ import annotations

import unicodedata

TABLE = {"0": "o", "1": "l", "$": "s", "@": "a"}


def normalise(text: str) -> str:
    return "".join(TABLE.get(c, c) for c in unicodedata.normalize("NFKC", text).lower())


def one_edit_away(term: str, alphabet: str) -> set[str]:
    cuts = [(term[:i], term[i:]) for i in range(len(term) + 1)]
    deleted = {a + b[1:] for a, b in cuts if b}
    inserted = {a + c + b for a, b in cuts for c in alphabet}
    substituted = {a + c + b[1:] for a, b in cuts if b for c in alphabet}
    return deleted | inserted | substituted


class Reference:
    def __init__(self, terms: list[str], alphabet: str) -> None:
        self.terms = {normalise(term) for term in terms}
        self.near: dict[str, set[tuple[int, str]]] = {}
        for term in self.terms:
            for text in one_edit_away(term, normalise(alphabet)):
                self.near.setdefault(text, set()).add((int(text != term), term))

    def like(self, text: str, counted: set[str] | None = None) -> tuple[int, str] | None:
        found = sorted(self.near.get(text, ()))
        for distance, term in found:
            if counted and term in counted:
                return distance, term
        return found[0] if found else None

    def judge(self, password: str, *, strict: bool) -> tuple[str, int, bool, list[tuple[str, int, int, int]]]:
        """(normalised, score, accepted, matches that scored)"""
        text = normalise(password)
        matches = []
        taken = [False] * len(text)
        place = 0
        while place < len(text):
            here = [term for term in self.terms if text.startswith(term, place)]
            if here:
                term = max(here, key=len)
                matches.append((term, place, place + len(term), 0))
                taken[place : place + len(term)] = [True] * len(term)
                place += len(term)
            else:
                place += 1
        counted = {term for term, *_ in matches}
        points = len(counted) if strict else len(matches)
        for begin, end in self.runs(taken):
            start = begin
            while start < end:
                stop, hit = self.window(text, start, end, counted) if strict else self.run(text, start, end)
                if hit is None:
                    points += stop - start
                elif not (strict and hit[1] in counted):
                    points += 1
                if hit is not None:
                    counted.add(hit[1])
                    matches.append((hit[1], start, stop, hit[0]))
                start = stop
        return text, points, points >= 5 and self.like(text) is None, sorted(matches, key=lambda m: m[1])

    def run(self, text: str, start: int, end: int) -> tuple[int, tuple[int, str] | None]:
        return end, self.like(text[start:end]) if end - start >= 4 else None

    def window(self, text: str, start: int, end: int, counted: set[str]) -> tuple[int, tuple[int, str] | None]:
        for stop in range(end, start + 3, -1):
            if hit := self.like(text[start:stop], counted):
                return stop, hit
        return start + 1, None

    @staticmethod
    def runs(taken: list[bool]) -> list[tuple[int, int]]:
        found, start = [], None
        for place, is_taken in enumerate([*taken, True]):
            if not is_taken and start is None:
                start = place
            elif is_taken and start is not None:
                found.append((start, place))
                start = None
        return found
