"""Agents, portals and databases of a test run end with it, also when it is itself killed and can end nothing.

What the run starts inherits a mark in its environment. A process beside the run notices its end, by a pipe that the
kernel closes then, and kills whatever still carries the mark. (PR_SET_PDEATHSIG would not do: it acts when the *thread*
ends that started a process, and some are started by threads that end earlier.)

Forests carry no mark: they may outlive their run, and the next one throws them away (lab.testing).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["end_with_this_process"]

_NAME = "TEST_RUN_MARK"
_watchers: list[subprocess.Popen[bytes]] = []
"""Kept, since each holds the pipe."""


def end_with_this_process() -> None:
    """Everything that is started from now on, by whatever thread."""
    mark = f"{os.getpid()}-{os.urandom(16).hex()}"
    watcher = subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, mark],
        stdin=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the run
        env={},
    )
    _watchers.append(watcher)
    os.environ[_NAME] = mark


def _kill_marked(mark: str) -> None:
    while _killed(f"{_NAME}={mark}".encode()):
        time.sleep(0.1)  # then look again: what was just being started may have shown its environment a moment later


def _killed(marked: bytes) -> int:
    killed = 0
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with suppress(OSError):  # it has ended, or is somebody else's
                if marked in (process / "environ").read_bytes().split(b"\0"):
                    os.kill(int(process.name), signal.SIGKILL)
                    killed += 1
    return killed


if __name__ == "__main__":
    sys.stdin.buffer.read()
    _kill_marked(sys.argv[1])
