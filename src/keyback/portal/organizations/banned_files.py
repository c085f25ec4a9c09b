"""Compiled banned words of organizations: one file each under ``state_dir/banned-words``, which every process of the
portal on this machine maps, so that they share its memory.

A file is a cache: named by what it is made of, followed by a MAC under a key that stands elsewhere (a compiled list is
used where it lies, so nobody else may have written it), and made anew when it is missing, damaged or somebody else's.
Where it cannot be written the process keeps a list of its own in memory, and says so once.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import logging
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from django.conf import settings

from keyback.passwords import BannedWords, builtin
from keyback.passwords._termfile import MAGIC
from keyback.passwords.terms import TermsRefused, compile_with_builtin, parse_terms
from keyback.protocol.messages import BannedTerms

__all__ = ["folder", "mapped"]

_MAC = 32
_log = logging.getLogger(__name__)


def folder() -> Path:
    made: Path = settings.CONFIG.state_dir / "banned-words"
    return made


def mapped(terms: BannedTerms) -> BannedWords:
    """These terms and the built-in ones; compiled by the first process that asks. Raises TermsRefused."""
    path = folder() / _name(terms)
    banned = _opened(terms, path)
    if banned is not None:
        return banned
    content = b""
    try:
        with _alone():
            banned = _opened(terms, path)  # another process may have made it meanwhile
            if banned is None:
                content = _compiled(terms)
                _write(path, content)
                _remove_older(path, terms)
                banned = _opened(terms, path)
    except OSError as error:
        _say_once(f"{folder()}: {error.strerror}")
    return banned or BannedWords.from_bytes(content or _compiled(terms))


def _opened(terms: BannedTerms, path: Path) -> BannedWords | None:
    """None where it cannot be read, or is not what it should be."""
    try:
        with path.open("rb") as file:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        # What was checked is what is used: the same mapping, whatever has the name by then.
        if not hmac.compare_digest(content[-_MAC:], _mac(terms, memoryview(content)[:-_MAC])):
            return None
        return BannedWords.from_bytes(content)
    except (OSError, ValueError, TermsRefused):  # an empty file cannot be mapped
        return None


def _compiled(terms: BannedTerms) -> bytes:
    content = compile_with_builtin(parse_terms(terms.terms), title=str(terms.version), extended=terms.extended)
    return content + _mac(terms, memoryview(content))


def _mac(terms: BannedTerms, content: memoryview) -> bytes:
    digest = hashlib.sha256(content).hexdigest()
    bound = (str(terms.organization_id), _name(terms), digest)
    made: bytes = settings.KEYRING.people_hmac("compiled banned words", *bound)
    return made


def _name(terms: BannedTerms) -> str:
    """Changes with everything that the file is made of."""
    made_of = hashlib.sha256(MAGIC + builtin().title.encode() + b"\0" + terms.to_bytes()).hexdigest()[:16]
    return f"{terms.organization_id}-{terms.version}-{made_of}.banned"


def _remove_older(path: Path, terms: BannedTerms) -> None:
    """Whoever has one of them mapped keeps it. A newer one may have been made while this process read the row."""
    for other in path.parent.glob(f"{terms.organization_id}-*.banned"):
        version = other.name.removeprefix(f"{terms.organization_id}-").partition("-")[0]
        if other != path and version.isdecimal() and int(version) <= terms.version:
            other.unlink(missing_ok=True)


def _write(path: Path, content: bytes) -> None:
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)  # of a process that was killed: nobody else is here
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


@contextmanager
def _alone() -> Iterator[None]:
    """One process and thread at a time, so that all map the same file. Raises OSError."""
    folder().mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(folder() / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@cache
def _say_once(problem: str) -> None:
    _log.warning("compiled banned words are kept in the memory of each process: %s", problem)
