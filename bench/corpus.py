"""A file of breached passwords of a thousand million hashes: its size, the memory of its build, and a kill on the way.

The corpus has the form of the public one: a file for each of the 16^5 prefixes. All of them are links to a few files,
as 43 GB of text would not make the build any harder.
"""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.passwords import rate, resident_of_lookups
from keyback.passwords.breached import BreachedFile

__all__ = ["run"]

_PREFIXES = 16**5
_FILES = 64
_LINES = 61_036  # in all of the files together: 1,000,013,824 hashes
_KILL_AFTER = 240.0  # seconds


def run() -> None:
    with tempfile.TemporaryDirectory() as folder:
        there = Path(folder)
        began = time.perf_counter()
        _corpus(there / "ranges")
        print(f"\nA corpus of {_PREFIXES:,} files, linked in {time.perf_counter() - began:.0f} s")
        _build(there / "ranges", there / "breached")
        _look_up(there / "breached")


def _corpus(ranges: Path) -> None:
    rng = random.Random(6)
    ranges.mkdir()
    bodies = ranges.with_name("bodies")
    bodies.mkdir()
    for number in range(_FILES):
        count = _LINES // _FILES + (number < _LINES % _FILES)
        lines = [f"{rng.getrandbits(140):035X}:{rng.randint(1, 99)}\r\n" for _ in range(count)]
        (bodies / str(number)).write_bytes("".join(sorted(lines)).encode())
    for prefix in range(_PREFIXES):
        os.link(bodies / str(prefix % _FILES), ranges / f"{prefix:05X}.txt")


def _build(ranges: Path, out: Path) -> None:
    command = [sys.executable, "-m", "keyback.cli.main", "password", "breached", "build", "--format", "sha1"]
    whole = [*command, str(ranges), str(out)]
    try:
        subprocess.run(whole, timeout=_KILL_AFTER, check=True)
    except subprocess.TimeoutExpired:
        print(f"  killed after {_KILL_AFTER:.0f} s, and begun again")
    began = time.perf_counter()
    subprocess.run(whole, check=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"  finished {time.perf_counter() - began:.0f} s later; {used.ru_utime + used.ru_stime:.0f} s of CPU in all")
    print(f"  resident at most: {used.ru_maxrss * 1024 / 1e6:.0f} MB")


def _look_up(out: Path) -> None:
    began = time.perf_counter()
    breached = BreachedFile(out)
    opened = time.perf_counter() - began
    size, count = out.stat().st_size, len(breached)
    print(f"  {count:,} hashes in {size:,} bytes: {size / count:.3f} each; opened in {opened:.2f} s")
    rng = random.Random(7)
    asked = [rng.randbytes(20) for _ in range(100_000)]
    wrong = sum(map(breached.has, asked))
    print(f"  {rate(breached.has, asked):,.0f} look-ups a second; {wrong} of {len(asked):,} strangers taken for listed")
    print(f"  resident after 400,000 look-ups by a process of its own: {resident_of_lookups(out):.0f} MB")
