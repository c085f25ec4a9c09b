"""Building a file of breached passwords out of the public corpora's text form, streaming, in two passes.

1. Every source is read once; the first 8 bytes of each hash go to one of 256 partitions by the first byte.
2. Each partition is sorted, freed of doubles and written as entries.

Any order of the sources and of their lines will do. What is under way lies in ``OUT.building``: a build that was
interrupted goes on from its last mark, if the sources are still the same. Memory: one partition at a time, which is
4 million hashes at a thousand million.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path

from keyback.errors import ConfigurationError
from keyback.passwords.breached import BLOCK, ENTRY, Header, Kind

__all__ = ["BuildRefused", "build", "files_of"]

_PARTITIONS = 256
_READ = 4 * 2**20
_MARK_EVERY = 256 * 2**20
_BUCKET = 128  # entries, on average at most
_SLICE = 200_000
_LEAST_BITS, _MOST_BITS = 8, 24
_MARK = "mark.json"

Progress = Callable[[str, int, int], None]
"""(what is done, so far, of how many)"""


class BuildRefused(ConfigurationError):
    """A source that is not in the form ``HASH:COUNT``, or a build that cannot go on."""

    code = "breached_build_refused"


@dataclass
class _Mark:
    """How far a build has come; written after each stretch. ``sources``: a digest of their names, sizes and times,
    since a corpus may be a million files. ``done``: bytes of the sources before the one at ``source``."""

    kind: str
    min_count: int
    sources: str
    total: int
    source: int = 0
    done: int = 0
    offset: int = 0
    sizes: list[int] = field(default_factory=lambda: [0] * _PARTITIONS)
    bits: int = 0
    partition: int = 0
    count: int = 0


def files_of(sources: Sequence[Path]) -> list[str]:
    """Files as they are, folders as the files in them, by name. Raises BuildRefused."""
    found = []
    for source in sources:
        if source.is_dir():
            with os.scandir(source) as entries:
                found += sorted(entry.path for entry in entries if entry.is_file())
        elif source.is_file():
            found.append(str(source))
        else:
            raise BuildRefused(f"{source}: there is no such file")
    return found


def build(
    sources: Sequence[Path], out: Path, kind: Kind, *, min_count: int = 1, progress: Progress = lambda *_: None
) -> int:
    """The number of hashes in the new file. Raises BuildRefused."""
    folder = out.with_name(out.name + ".building")
    files = files_of(sources)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise BuildRefused(f"{folder}: {error.strerror}") from None
    mark = _load(folder, _Mark(kind.value, min_count, *_facts(files)))
    if not mark.bits:
        try:
            _partition(files, folder, kind, mark, progress)
        except BuildRefused:
            if not (folder / _MARK).exists():
                _remove(folder)  # nothing in it is worth going on from
            raise
    files.clear()  # of a million names, before partitions are sorted
    _write_entries(folder, mark, progress)
    _finish(folder, out, kind, mark)
    return mark.count


def _facts(files: Sequence[str]) -> tuple[str, int]:
    """What tells these sources from others, and their bytes."""
    digest, total = hashlib.sha256(), 0
    for path in files:
        status = os.stat(path)
        digest.update(f"{path}\0{status.st_size} {status.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
        total += status.st_size
    return digest.hexdigest(), total


def _load(folder: Path, fresh: _Mark) -> _Mark:
    path = folder / _MARK
    try:
        mark = _Mark(**json.loads(path.read_text()))
    except FileNotFoundError:
        return fresh
    except (ValueError, TypeError):
        raise BuildRefused(f"{path}: cannot be read; remove {folder} to begin anew") from None
    if (mark.kind, mark.min_count, mark.sources) != (fresh.kind, fresh.min_count, fresh.sources):
        raise BuildRefused(f"{folder}: holds a build of other sources; remove it to begin anew")
    return mark


def _save(folder: Path, mark: _Mark) -> None:
    fresh = folder / "mark.new"
    with fresh.open("w") as file:
        json.dump(asdict(mark), file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(folder / _MARK)


def _partition(files: Sequence[str], folder: Path, kind: Kind, mark: _Mark, progress: Progress) -> None:
    parts = []
    for number, size in enumerate(mark.sizes):
        part = (folder / f"{number:02x}").open("ab")
        part.truncate(size)  # what came after the mark is read again
        part.seek(size)
        parts.append(part)
    since = 0

    def save() -> None:
        for number, part in enumerate(parts):
            part.flush()
            mark.sizes[number] = part.tell()
        _save(folder, mark)

    for number in range(mark.source, len(files)):
        for keys, offset in _keys(files[number], kind, mark.min_count, mark.offset):
            _distribute(keys, parts)
            since += offset - mark.offset
            mark.offset = offset
            progress("reading", mark.done + offset, mark.total)
            if since >= _MARK_EVERY:
                save()
                since = 0
        mark.done += mark.offset
        mark.source, mark.offset = number + 1, 0
    save()
    for part in parts:
        os.fsync(part.fileno())
        part.close()
    entries = sum(mark.sizes) // 8
    mark.bits = max(_LEAST_BITS, min(_MOST_BITS, (entries // _BUCKET).bit_length()))
    _save(folder, mark)


def _keys(path: str, kind: Kind, min_count: int, offset: int) -> Iterator[tuple[array[int], int]]:
    """The first 64 bits of the hashes of a stretch, and where the stretch ends in the file."""
    with open(path, "rb") as file:
        prefix, digits = _form(path, file.readline(), kind)
        file.seek(offset)
        while stretch := file.read(_READ):
            stretch += file.readline()
            try:
                keys = _parse(stretch, prefix, digits, min_count)
            except ValueError:
                raise BuildRefused(f"{path}: a line after byte {offset} is not HASH:COUNT") from None
            offset = file.tell()
            yield keys, offset


def _form(path: str, line: bytes, kind: Kind) -> tuple[bytes, int]:
    """What the file's name adds to each hash (per-prefix files), and the digits of a hash in it."""
    digits = len(line.split(b":")[0].strip())
    if digits in (0, kind.digits):
        return b"", kind.digits
    stem = Path(path).stem.encode()
    if digits + len(stem) == kind.digits and all(c in b"0123456789abcdefABCDEF" for c in stem):
        return stem, digits
    raise BuildRefused(f"{path}: lines must be HASH:COUNT with {kind.digits} hexadecimal digits ({kind})")


def _parse(stretch: bytes, prefix: bytes, digits: int, min_count: int) -> array[int]:
    """Raises ValueError."""
    lines = stretch.replace(b"\r", b"").split(b"\n")
    lines = [line for line in lines if line]
    rest = 16 - len(prefix)
    if {line[digits : digits + 1] for line in lines} - {b":", b""} or any(len(line) < digits for line in lines):
        raise ValueError
    if min_count > 1:
        lines = [line for line in lines if int(line[digits + 1 :] or b"1") >= min_count]
    keys = array("Q", bytes.fromhex(b"".join([prefix + line[:rest] for line in lines]).decode("ascii")))
    if sys.byteorder == "little":
        keys.byteswap()
    return keys


def _distribute(keys: array[int], parts: Sequence[object]) -> None:
    ordered = array("Q", sorted(keys))
    if not ordered:
        return
    start = 0
    for number in range(ordered[0] >> 56, (ordered[-1] >> 56) + 1):
        end = bisect_left(ordered, (number + 1) << 56, start)
        if end > start:
            ordered[start:end].tofile(parts[number])  # type: ignore[arg-type]  # files opened for bytes
        start = end


def _write_entries(folder: Path, mark: _Mark, progress: Progress) -> None:
    with (folder / "out").open("ab") as out, (folder / "index").open("ab") as index:
        out.truncate(BLOCK + ENTRY * mark.count)
        buckets = 2**mark.bits // _PARTITIONS
        index.truncate(4 * buckets * mark.partition)
        out.seek(0, os.SEEK_END)
        for number in range(mark.partition, _PARTITIONS):
            keys = _sorted_once(folder / f"{number:02x}", mark.sizes[number])
            first = number * buckets
            begins = [bisect_left(keys, bucket << (64 - mark.bits)) for bucket in range(first, first + buckets)]
            array("I", [mark.count + place for place in begins]).tofile(index)
            for start in range(0, len(keys), _SLICE):
                out.write(_entries(keys[start : start + _SLICE]))
            many = len(keys)
            del keys  # before the next partition is read
            mark.count += many
            mark.partition = number + 1
            if not mark.partition % 8 or many > _SLICE:
                for file in (out, index):
                    file.flush()
                    os.fsync(file.fileno())
                _save(folder, mark)
            progress("sorting", mark.partition, _PARTITIONS)


def _sorted_once(path: Path, size: int) -> list[int]:
    keys: array[int] = array("Q")
    with path.open("rb") as file:
        keys.fromfile(file, size // 8)
    ordered = sorted(keys)
    del keys
    return ordered[:1] + [key for before, key in pairwise(ordered) if key != before]


def _entries(keys: list[int]) -> bytes:
    """The fourth to the eighth byte of each."""
    wide = array("Q", keys)
    if sys.byteorder == "little":
        wide.byteswap()
    raw = wide.tobytes()
    entries = bytearray(ENTRY * len(keys))
    for place in range(ENTRY):
        entries[place::ENTRY] = raw[8 - ENTRY + place :: 8]
    return bytes(entries)


def _finish(folder: Path, out: Path, kind: Kind, mark: _Mark) -> None:
    """Index, checksums and header; then the file gets its name."""
    unfinished = folder / "out"
    end = BLOCK + ENTRY * mark.count
    with unfinished.open("r+b") as file:
        file.seek(BLOCK)
        checksums = array("I")
        for start in range(BLOCK, end, BLOCK):
            checksums.append(zlib.crc32(file.read(min(BLOCK, end - start))))
        index_at = end + -end % 4
        file.truncate(end)
        file.truncate(index_at)
        file.seek(index_at)
        crc = 0
        with (folder / "index").open("rb") as index:
            while part := index.read(_READ):
                crc = zlib.crc32(part, crc)
                file.write(part)
        tail = array("I", [mark.count]).tobytes()
        checksums_at = file.tell() + len(tail)
        tail += checksums.tobytes()
        file.write(tail)
        header = Header(kind, mark.bits, mark.count, index_at, checksums_at, file.tell(), zlib.crc32(tail, crc))
        file.seek(0)
        file.write(header.to_bytes().ljust(BLOCK, b"\0"))
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(out)
    _remove(folder)


def _remove(folder: Path) -> None:
    for left in folder.iterdir():
        if left.is_file():
            left.unlink()
    if not any(folder.iterdir()):
        folder.rmdir()
