"""Fetching a corpus of breached passwords from a range service, prefix by prefix."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from keyback.errors import ConfigurationError
from keyback.passwords.breached import Kind

__all__ = ["download"]

_PREFIX_DIGITS = 5
_GROUP_DIGITS = 3
_TRIES = 5
_TIMEOUT = 30.0


def download(
    address: str,
    kind: Kind,
    folder: Path,
    *,
    only: str,
    workers: int,
    per_second: int,
    progress: Callable[[str, int, int], None],
) -> None:
    """Every range that begins with the digits ``only``, as files of whole ``HASH:COUNT`` lines, 256 ranges in each.
    What is there already is not fetched again. Raises ConfigurationError when the service does not answer."""
    import httpx2

    folder.mkdir(exist_ok=True)
    groups = [group for group in _numbers(_GROUP_DIGITS) if group.startswith(only.upper()[:_GROUP_DIGITS])]
    pace = _Pace(per_second)
    with httpx2.Client(timeout=_TIMEOUT, limits=httpx2.Limits(max_connections=workers)) as client:

        def fetch(prefix: str) -> str:
            for left in reversed(range(_TRIES)):
                pace.wait()
                try:
                    answer = client.get(
                        f"{address.rstrip('/')}/{prefix}", params={"mode": "ntlm"} if kind is Kind.NTLM else None
                    )
                    answer.raise_for_status()
                except httpx2.HTTPError as error:
                    if not left:
                        raise ConfigurationError(f"{address}/{prefix}: {str(error) or type(error).__name__}") from None
                    time.sleep(2.0 ** (_TRIES - left - 2))
                else:
                    return "".join(f"{prefix}{line.strip()}\n" for line in answer.text.splitlines() if line.strip())
            raise AssertionError

        with ThreadPoolExecutor(workers) as pool:
            for done, group in enumerate(groups):
                path = folder / f"{group}.txt"
                if not path.exists():
                    prefixes = [group + rest for rest in _numbers(_PREFIX_DIGITS - _GROUP_DIGITS)]
                    fresh = folder / f"{group}.part"
                    fresh.write_text("".join(pool.map(fetch, [p for p in prefixes if p.startswith(only.upper())])))
                    fresh.replace(path)
                progress("downloading", done + 1, len(groups))


def _numbers(digits: int) -> Iterator[str]:
    return (f"{number:0{digits}X}" for number in range(16**digits))


class _Pace:
    """So many a second, over all threads."""

    def __init__(self, per_second: int) -> None:
        self._gap = 1 / per_second
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        with self._lock:
            now = time.monotonic()
            mine = max(now, self._next)
            self._next = mine + self._gap
        if mine > now:
            time.sleep(mine - now)
