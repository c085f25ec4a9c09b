"""Where the lab keeps things, and what a forest is called.

Nothing lives in the repository: the roots and templates are costly and go to a cache, running forests to a run
directory that a reboot may empty.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

from lab.errors import BadNameError

Flavour = Literal["trixie", "bookworm"]
FLAVOURS: tuple[Flavour, ...] = get_args(Flavour)

DEFAULT_NAME = "corp"
_NAME = re.compile(r"[a-z][a-z0-9]{0,13}")  # becomes the NetBIOS name too, which has 15 characters at most


def cache_dir() -> Path:
    """Roots and templates; ``KEYBACK_LAB_CACHE`` overrides. Costs up to 1.5 GB, may be deleted while nothing runs."""
    return _private(Path(os.environ.get("KEYBACK_LAB_CACHE", "/var/cache/keyback-lab")))


def run_dir() -> Path:
    """Data of the running forests; ``KEYBACK_LAB_RUN`` overrides."""
    return _private(Path(os.environ.get("KEYBACK_LAB_RUN", "/run/keyback-lab")))


def realm_of(name: str) -> str:
    """The Kerberos realm of the forest called ``name``: ``corp`` → ``CORP.EXAMPLE.TEST``."""
    if not _NAME.fullmatch(name):
        raise BadNameError(f"{name!r} is no forest name: a letter, then up to 13 letters and digits, lower case")
    return f"{name.upper()}.EXAMPLE.TEST"


@contextlib.contextmanager
def lock(name: str, *, wait: bool = True) -> Iterator[None]:
    """Lets one process at a time build or change what ``name`` stands for; the kernel drops it with the process.

    BlockingIOError when ``wait`` is False and another process has it. The files stay, in the cache: to delete one would
    let two processes hold the same lock.
    """
    directory = cache_dir() / "locks"
    directory.mkdir(exist_ok=True)
    with (directory / name).open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield


def _private(path: Path) -> Path:
    # 0711: the authority's certificate and krb5.conf are for everybody who knows the path, the rest has its own modes.
    path.mkdir(mode=0o711, parents=True, exist_ok=True)
    return path.resolve()
