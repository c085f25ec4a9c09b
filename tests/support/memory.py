"""How much memory a program held."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["peak_kb"]


def peak_kb(process: int | str = "self") -> int:
    """What it has had resident at most, so far; 0 once it has ended. ``getrusage`` and ``wait4`` would count the one
    that started it as well, since a process is a copy of its parent until its own program begins."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) if found else 0
