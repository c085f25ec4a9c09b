"""Breached passwords: one memory-mapped file, 5.03 bytes a hash at a thousand million.

Layout, little-endian where nothing else is said:

    header    64 bytes (`HEADER`), then nothing up to 64 KiB
    entries   5 bytes each: the fourth to the eighth of the hash
    index     2^bits + 1 numbers of 4 bytes: where each bucket begins, counted in entries
    checksums CRC-32 of each 64 KiB of the file from the entries to the index

A hash belongs to the bucket of its first ``bits`` bits. A bucket has 128 entries at most on average, so that another
hash is taken for one of them once in 2^40 / 128, which is 8.6 thousand million, or less.

Opening checks header, size, index and checksums; each 64 KiB of entries is checked when it is first touched. The first
megabytes are looked at where they are mapped. What lies beyond is read by the system call, which costs a little more,
but leaves the process small whatever the size of the file.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
import sys
import threading
import zlib
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from keyback.errors import ConfigurationError
from keyback.passwords._md4 import md4

__all__ = ["BLOCK", "ENTRY", "HEADER", "BreachedDamaged", "BreachedFile", "Header", "Kind", "LatestFile", "digest_of"]

BLOCK = 65_536
ENTRY = 5
MAGIC = b"KEYBACK breached 1\n"
HEADER = struct.Struct("<19sBBxxxQQQQII")
_ENTRY_AT = 3
_MOST_MAPPED = 68_000_000
"""Bytes of the file that may become resident, index and all."""

_UNSEEN, _SEEN = 0, 1


class Kind(StrEnum):
    """Which hash a corpus holds. ``ntlm`` is MD4 over UTF-16LE."""

    SHA1 = "sha1"
    NTLM = "ntlm"

    @property
    def digits(self) -> int:
        """Hexadecimal digits of a whole hash."""
        return 40 if self is Kind.SHA1 else 32


_NUMBERS = {Kind.SHA1: 1, Kind.NTLM: 2}


class BreachedDamaged(ConfigurationError):
    """The file is not one of breached passwords, or not whole."""

    code = "breached_damaged"


class Header(NamedTuple):
    kind: Kind
    bits: int
    entries: int
    index_at: int
    checksums_at: int
    size: int
    index_crc: int

    def to_bytes(self) -> bytes:
        values = (_NUMBERS[self.kind], self.bits, self.entries, self.index_at, self.checksums_at, self.size)
        return HEADER.pack(MAGIC, *values, self.index_crc, self._crc())

    def _crc(self) -> int:
        return zlib.crc32(repr(tuple(self)).encode())

    @classmethod
    def read(cls, content: bytes) -> Header | None:
        """None when this is no header, or a damaged one."""
        if len(content) < HEADER.size:
            return None
        magic, number, *values, crc = HEADER.unpack(content[: HEADER.size])
        kind = next((kind for kind, known in _NUMBERS.items() if known == number), None)
        if magic != MAGIC or kind is None:
            return None
        header = cls(kind, *values)
        return header if header._crc() == crc else None


def digest_of(password: str, kind: Kind) -> bytes:
    """The hash under which a corpus lists the password."""
    if kind is Kind.NTLM:
        return md4(password.encode("utf-16-le", "surrogatepass"))
    return hashlib.sha1(password.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()


class BreachedFile:
    """``password in file``. Safe in threads. Opening raises BreachedDamaged with one line, and so does a look-up that
    comes upon a damaged block."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("rb")  # open for as long as this object lives
            self._descriptor = self._file.fileno()
            self._map = mmap.mmap(self._descriptor, 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise BreachedDamaged(f"{path}: {error.strerror}") from None
        except ValueError:
            raise BreachedDamaged(f"{path}: not a file of breached passwords") from None
        header = Header.read(self._map[: HEADER.size])
        if header is None:
            raise BreachedDamaged(f"{path}: not a file of breached passwords, or its header is damaged")
        if header.size != len(self._map):
            raise BreachedDamaged(f"{path}: {len(self._map)} bytes instead of {header.size}; build it anew")
        if self._crc(header.index_at, header.size) != header.index_crc:
            raise BreachedDamaged(f"{path}: the index is damaged; build it anew")
        self.kind, self.count = header.kind, header.entries
        view = memoryview(self._map)
        self._index = _numbers(view[header.index_at : header.checksums_at])
        self._checksums = _numbers(view[header.checksums_at :])
        self._shift = 8 * _ENTRY_AT - header.bits
        self._end = BLOCK + ENTRY * header.entries
        self._mapped_to = max(0, _MOST_MAPPED - (header.size - header.index_at))
        self._state = bytearray(header.index_at // BLOCK + 1)
        # What the checksum of the index has touched is given back: it stays in the system's cache.
        self._map.madvise(mmap.MADV_DONTNEED)

    def __contains__(self, password: str) -> bool:
        return self.has(digest_of(password, self.kind))

    def __len__(self) -> int:
        return self.count

    def has(self, digest: bytes) -> bool:
        """Whether the corpus lists this hash."""
        bucket = int.from_bytes(digest[:_ENTRY_AT], "big") >> self._shift
        index = self._index
        start, end = BLOCK + ENTRY * index[bucket], BLOCK + ENTRY * index[bucket + 1]
        if not (self._state[start >> 16] and self._state[end >> 16]):
            self._check_all(start, end)
        is_mapped = end <= self._mapped_to
        entries = self._map[start:end] if is_mapped else os.pread(self._descriptor, end - start, start)
        entry = digest[_ENTRY_AT : _ENTRY_AT + ENTRY]
        place = entries.find(entry)
        while place % ENTRY and place > 0:  # between two entries
            place = entries.find(entry, place + 1)
        return place >= 0

    def _check_all(self, start: int, end: int) -> None:
        """Looks at the blocks of a bucket, and at the one that it ends before."""
        for block in range(start >> 16, (end >> 16) + 1):
            if self._state[block] == _UNSEEN:
                self._check(block)

    def _check(self, block: int) -> None:
        """Raises BreachedDamaged."""
        start = block * BLOCK
        content = os.pread(self._descriptor, max(0, min(BLOCK, self._end - start)), start)
        if content and zlib.crc32(content) != self._checksums[block - 1]:
            raise BreachedDamaged(f"{self._path}: damaged at byte {start}; build it anew")
        self._state[block] = _SEEN

    def _crc(self, start: int, end: int) -> int:
        crc = 0
        for place in range(start, end, 16 * BLOCK):
            crc = zlib.crc32(self._map[place : min(place + 16 * BLOCK, end)], crc)
        return crc


class LatestFile:
    """``password in latest``, in whatever file has this path at the moment: one that was renamed over it is used from
    the next look-up on. Safe in threads. Both opening and looking up raise BreachedDamaged; a file that was cut short
    where it lay is not touched again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._current = self._opened()

    def __contains__(self, password: str) -> bool:
        seen, file = self._current
        if self._look() != seen:
            with self._lock:
                if self._look() != self._current[0]:
                    self._current = self._opened()
                file = self._current[1]
        return password in file

    def _opened(self) -> tuple[tuple[int, ...], BreachedFile]:
        # Looked at before it is opened: what comes between is noticed at the next look-up.
        return self._look(), BreachedFile(self._path)

    def _look(self) -> tuple[int, ...]:
        try:
            status = self._path.stat()
        except OSError as error:
            raise BreachedDamaged(f"{self._path}: {error.strerror}") from None
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _numbers(view: memoryview) -> memoryview:
    if sys.byteorder != "little":
        raise ConfigurationError("files of breached passwords need a little-endian machine")
    return view.cast("I")
