"""A wire that can be cut: what is sent over it vanishes, as behind a firewall that drops. Nobody is told: no reset, no
"unreachable"; what was connected stays connected.

Its far end lies in a network namespace of its own, which dies with this process. Needs root.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.waiting import wait_until

__all__ = ["Wire", "wire"]

_FAR = "far"
_FAR_HARDWARE = "02:00:00:00:00:02"
_CLONE_NEWNET = 0x40000000  # setns(2)


@dataclass(frozen=True, slots=True)
class Wire:
    """``near``: the interface on this side. ``address``: of the far end. ``pid``: a process that lives there."""

    near: str
    address: str
    pid: int

    def cut(self) -> None:
        self._there("link", "set", _FAR, "down")

    def mend(self) -> None:
        self._there("link", "set", _FAR, "up")

    def listener(self) -> socket.socket:
        """A server's socket at the far end, for this process. A socket belongs where the thread was that made it."""
        with ThreadPoolExecutor(1) as there:
            return there.submit(self._listener).result()

    def _listener(self) -> socket.socket:
        c = ctypes.CDLL(None, use_errno=True)
        with Path(f"/proc/{self.pid}/ns/net").open() as namespace:
            if c.setns(namespace.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        return socket.create_server((self.address, 0))

    def _there(self, *command: str) -> None:
        subprocess.run(["nsenter", f"--target={self.pid}", "--net", "ip", *command], check=True)


@contextmanager
def wire() -> Iterator[Wire]:
    """One that works."""
    ours = os.readlink("/proc/self/ns/net")
    with subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE) as keeper:  # ends when its input does
        wait_until(lambda: os.readlink(f"/proc/{keeper.pid}/ns/net") != ours, what="a network namespace")
        # Of the block for measuring between networks (RFC 2544): no network of anybody's has these addresses.
        net = f"198.18.{keeper.pid // 128 % 256}"
        here, there = (f"{net}.{keeper.pid % 128 * 2 + end}" for end in (0, 1))
        made = Wire(f"kb{keeper.pid}", there, keeper.pid)
        try:
            peer = ["peer", "name", _FAR, "address", _FAR_HARDWARE, "netns", str(keeper.pid)]
            _ip("link", "add", made.near, "type", "veth", *peer)
            _ip("address", "add", f"{here}/31", "dev", made.near)
            _ip("link", "set", made.near, "up")
            made._there("address", "add", f"{there}/31", "dev", _FAR)
            made.mend()
            # Else the kernel would notice after three seconds that nobody answers, and say so.
            _ip("neighbour", "add", there, "lladdr", _FAR_HARDWARE, "dev", made.near, "nud", "permanent")
            yield made
        finally:
            # Connections that are still ending would keep the namespace, and with it this side's interface.
            subprocess.run(["ip", "link", "delete", made.near], check=False, stderr=subprocess.DEVNULL)


def _ip(*command: str) -> None:
    subprocess.run(["ip", *command], check=True)
