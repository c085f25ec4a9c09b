"""Banned-word checks and look-ups of breached hashes on one core, beside what others do for the same question.

Rates are those of processor time, the best of three rounds, so that a busy machine shows in them as little as possible.
"""

from __future__ import annotations

import os
import random
import string
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rapidfuzz import process
from rapidfuzz.distance import Levenshtein
from symspellpy import SymSpell, Verbosity
from zxcvbn import zxcvbn
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from keyback.passwords._termfile import compile_terms
from keyback.passwords.banned import BannedWords
from keyback.passwords.breached import BreachedFile, Kind
from keyback.passwords.breachedbuild import build
from keyback.passwords.normalise import normalise

__all__ = ["rate", "resident_of_lookups", "run"]

TERMS = 100_000
HASHES = 20_000_000
NAMES = ("lovelace", "contoso")
_SIGNS = string.ascii_letters + string.digits + "!#%-"


def run(_: object = None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _banned(Path(folder))
        _breached(Path(folder))


def _banned(folder: Path) -> None:
    rng = random.Random(1)
    terms = _terms(rng)
    path = folder / "list.banned"
    path.write_bytes(compile_terms(terms, title="bench"))
    opened = time.perf_counter()
    banned = BannedWords.open(path)
    opened = time.perf_counter() - opened
    print(f"\nBanned words: {TERMS:,} terms, one mapped file of {path.stat().st_size / 1e6:.1f} MB,")
    print(f"opened in {1000 * opened:.0f} ms, {_resident(path):.1f} MB more resident after 20,000 checks\n")

    by_chance = [_by_chance(rng) for _ in range(20_000)]
    of_words = [_of_words(rng, terms) for _ in range(20_000)]
    mixed = [one for pair in zip(by_chance, of_words, strict=True) for one in pair]
    print(f"  {'passwords of 8 to 20 characters':44} {'a second':>10} {'beside zxcvbn':>14}")
    base = rate(zxcvbn, mixed[:300])
    rows: list[tuple[str, float]] = [
        ("whole check, random characters", rate(lambda text: banned.decide(text, NAMES), by_chance)),
        ("whole check, made of words of the list", rate(lambda text: banned.decide(text, NAMES), of_words)),
        ("whole check, half of each", rate(lambda text: banned.decide(text, NAMES), mixed)),
        ("the same with its explanation", rate(lambda text: banned.examine(text, NAMES), mixed)),
        ("whole check, strict, random", rate(lambda text: banned.decide(text, NAMES, strict=True), by_chance)),
        ("whole check, strict, words", rate(lambda text: banned.decide(text, NAMES, strict=True), of_words)),
        ("whole check, strict, half of each", rate(lambda text: banned.decide(text, NAMES, strict=True), mixed)),
        ("the same with its explanation", rate(lambda text: banned.examine(text, NAMES, strict=True), mixed[:8000])),
        ("zxcvbn (an estimate, no list of ours)", base),
        ("rapidfuzz: is one term within distance 1?", rate(_scan(terms), mixed[:60])),
        ("symspellpy: the same", rate(_symspell(terms), mixed[:4000])),
    ]
    for name, found in rows:
        print(f"  {name:44} {found:>10,.0f} {found / base:>13,.2f}x")


def _breached(folder: Path) -> None:
    rng = random.Random(2)
    source, out = folder / "corpus.txt", folder / "breached"
    with source.open("w") as file:
        for _ in range(HASHES // 100_000):
            digits = rng.randbytes(20 * 100_000).hex().upper()
            file.write(":1\n".join(digits[i : i + 40] for i in range(0, len(digits), 40)) + ":1\n")
    began = time.process_time()
    count = build([source], out, Kind.SHA1)
    took = time.process_time() - began
    with source.open("rb") as file:
        there = [bytes.fromhex(line[:40].decode()) for line in _some(file, 100_000)]
    asked = [one for pair in zip(there, (rng.randbytes(20) for _ in there), strict=True) for one in pair]
    rng.shuffle(asked)
    breached = BreachedFile(out)
    ours = rate(breached.has, asked)
    found = sum(map(breached.has, asked))
    kept = set(there)
    base = rate(kept.__contains__, asked)
    print(f"\nBreached passwords: {count:,} hashes, {out.stat().st_size / count:.2f} bytes each, built in {took:.0f} s")
    print(
        f"  look-ups, warm, half of them listed            {ours:>10,.0f} a second ({found:,} of {len(asked):,} found)"
    )
    print(
        f"  a Python set of {len(kept):,} of them               {base:>10,.0f} a second, so ours is {ours / base:.3f}x"
    )
    print(f"  resident after 400,000 look-ups by a process of its own: {resident_of_lookups(out):.0f} MB")


def _terms(rng: random.Random) -> list[str]:
    """Real words first, then pairs of them."""
    words = [w for ws in FREQUENCY_LISTS.values() for w in ws if 4 <= len(w) <= 16 and w.isascii() and w.isprintable()]
    terms = dict.fromkeys(words)
    while len(terms) < TERMS:
        terms[rng.choice(words)[:8] + rng.choice(words)[:8]] = None
    return list(terms)[:TERMS]


def _by_chance(rng: random.Random) -> str:
    return "".join(rng.choices(_SIGNS, k=rng.randint(8, 20)))


def _of_words(rng: random.Random, terms: Sequence[str]) -> str:
    word = rng.choice(terms)
    if rng.random() < 0.5:
        place = rng.randrange(len(word))
        word = word[:place] + rng.choice(string.ascii_lowercase) + word[place + 1 :]
    text = word.capitalize()
    while len(text) < 8 or rng.random() < 0.5:
        text += rng.choice(["1", "!", "2024", "123", rng.choice(terms)[:5]])
    return text[:20]


def _scan(terms: Sequence[str]) -> Callable[[str], object]:
    normalised = [normalise(term) for term in terms]
    return lambda text: process.extractOne(
        normalise(text), normalised, scorer=Levenshtein.distance, score_cutoff=1, processor=None
    )


def _symspell(terms: Sequence[str]) -> Callable[[str], object]:
    spell = SymSpell(max_dictionary_edit_distance=1, prefix_length=17)
    for term in terms:
        spell.create_dictionary_entry(normalise(term), 1)
    return lambda text: spell.lookup(normalise(text), Verbosity.TOP, max_edit_distance=1)


def rate(call: Callable[..., object], inputs: Sequence[object]) -> float:
    best = 0.0
    for _ in range(3):
        began = time.process_time()
        for one in inputs:
            call(one)
        best = max(best, len(inputs) / (time.process_time() - began))
    return best


def _some(file: Iterator[bytes], count: int) -> Iterator[bytes]:
    """Every so many-th line."""
    step = HASHES // count
    return (line for number, line in enumerate(file) if number % step == 0)


_LIST_PROGRAM = """
import random, string, sys, psutil
from pathlib import Path
from keyback.passwords.banned import BannedWords
before = psutil.Process().memory_info().rss
banned = BannedWords.open(Path(sys.argv[1]))
rng = random.Random(3)
for _ in range(20_000):
    banned.decide("".join(rng.choices(string.ascii_lowercase, k=rng.randint(8, 20))))
print(psutil.Process().memory_info().rss - before)
"""
_LOOKUP_PROGRAM = """
import random, sys, psutil
from pathlib import Path
from keyback.passwords.breached import BreachedFile
breached, rng = BreachedFile(Path(sys.argv[1])), random.Random(4)
for _ in range(400_000):
    breached.has(rng.randbytes(20))
print(psutil.Process().memory_info().rss)
"""


def _resident(path: Path) -> float:
    return _of_a_process(_LIST_PROGRAM, path)


def resident_of_lookups(path: Path) -> float:
    return _of_a_process(_LOOKUP_PROGRAM, path)


def _of_a_process(program: str, path: Path) -> float:
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], check=True, capture_output=True, text=True, env=dict(os.environ)
    )
    return int(done.stdout) / 1e6
