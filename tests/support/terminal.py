"""A command in a pseudo-terminal: waits for what it asks, and types."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self


class Terminal:
    """``seen``: everything that stood on the screen."""

    def __init__(self, command: Sequence[str], timeout: float = 30) -> None:
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        os.close(theirs)
        self._timeout = timeout
        self._read = ""
        self.seen = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def expect(self, pattern: str) -> str:
        """Waits until it appears after what was expected before; what it was."""
        until = time.monotonic() + self._timeout
        while (found := re.search(pattern, self._read)) is None:
            if not self._more(until):
                raise AssertionError(f"{pattern!r} did not appear; on the screen: {self._read[-500:]!r}")
        self._read = self._read[found.end() :]
        return found.group()

    def say(self, text: str) -> None:
        os.write(self._ours, f"{text}\n".encode())

    def rest(self) -> str:
        """What still comes until the command ends, which has to succeed."""
        until = time.monotonic() + self._timeout
        while self._more(until):
            pass
        assert self._process.wait(self._timeout) == 0, self._read
        return self._read

    def _more(self, until: float) -> bool:
        if not select.select([self._ours], [], [], max(0.0, until - time.monotonic()))[0]:
            return False
        try:
            data = os.read(self._ours, 65_536).decode(errors="replace")
        except OSError:  # the command has ended
            return False
        self._read += data
        self.seen += data
        return bool(data)
