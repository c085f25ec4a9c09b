"""Debian's SMS gateway kannel, with its fake centre of an operator behind it: a text message goes all the way."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.ports import free_port
from tests.support.waiting import wait_until

__all__ = ["Kannel", "running"]

_FAKE_CENTRE = "/usr/lib/kannel/test/fakesmsc"
_CONFIG = """\
group = core
admin-port = {admin}
admin-password = {password}
smsbox-port = {box}
box-allow-ip = 127.0.0.1

group = smsc
smsc = fake
port = {centre}
connect-allow-ip = 127.0.0.1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {send}
sendsms-interface = 127.0.0.1

group = sendsms-user
username = keyback
password = {password}
default-sender = 4711
max-messages = 3
concatenation = true
"""


@dataclass
class Kannel:
    """``url``: where text messages are posted. ``password`` of the user ``keyback``."""

    url: str
    password: str
    _log: Path

    def delivered(self) -> list[tuple[str, str]]:
        """Every message that reached the centre: the number, and the text in the bytes that the operator gets."""
        found = re.findall(r"Got message \d+: <(\S+) (\S+) (\w+) (.*?)>", self._log.read_text("utf-8", "replace"))
        return [(to, text) for _from, to, _kind, text in found]

    def wait_for(self, count: int) -> list[tuple[str, str]]:
        wait_until(lambda: len(self.delivered()) >= count, timeout=15, what=f"{count} text messages at the centre")
        return self.delivered()


@contextmanager
def running(directory: Path) -> Iterator[Kannel]:
    """Bearer box, SMS box and fake centre, each a process, until the block ends."""
    password = "kannel-3f9a"
    admin, box, centre, send = (free_port() for _ in range(4))
    config = directory / "kannel.conf"
    config.write_text(_CONFIG.format(admin=admin, box=box, centre=centre, send=send, password=password))
    log = directory / "centre.log"
    with ExitStack() as stack:
        _started(stack, directory / "bearerbox.log", "/usr/sbin/bearerbox", str(config))
        wait_until(lambda: _listens(box), timeout=15, what="the bearer box")
        _started(stack, log, _FAKE_CENTRE, "-H", "127.0.0.1", "-r", str(centre), "-i", "1", "-m", "0", "1 2 text x")
        _started(stack, directory / "smsbox.log", "/usr/sbin/smsbox", str(config))
        wait_until(lambda: _listens(send), timeout=15, what="the SMS box")
        yield Kannel(f"http://127.0.0.1:{send}/cgi-bin/sendsms", password, log)


def _started(stack: ExitStack, log: Path, *command: str) -> Path:
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, stdin=subprocess.DEVNULL)

    def stop() -> None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    stack.callback(stop)
    return log


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
