"""One door in several processes: they share a port, stand in for each other, and end together."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from tests.support.ports import free_port
from tests.support.waiting import wait_until

# Each process tells whoever connects its own id.
DOOR = """
import os, signal, socket, sys
from keyback.relay.processes import keep_running
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
def leave(number, frame):
    raise SystemExit(0)
signal.signal(signal.SIGTERM, leave)
def serve():
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(str(os.getpid()).encode())
keep_running(2, serve)
"""


class Door:
    def __init__(self) -> None:
        self.port = free_port()
        self.process = subprocess.Popen([sys.executable, "-c", DOOR, str(self.port)])

    def children(self) -> set[int]:
        return {child.pid for child in psutil.Process(self.process.pid).children()}

    def answer(self) -> int | None:
        """The id of the process that answers; None where nobody does."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
                return int(connection.recv(20) or 0) or None
        except OSError:
            return None


@pytest.fixture
def door() -> Iterator[Door]:
    made = Door()
    wait_until(lambda: len(made.children()) == 2 and made.answer(), timeout=20, what="an answer")
    yield made
    made.process.kill()
    made.process.wait()


def test_both_answer_on_one_port(door: Door) -> None:
    one, other = door.children()
    os.kill(one, signal.SIGSTOP)  # it cannot answer, so that the other must
    wait_until(lambda: psutil.Process(one).status() == psutil.STATUS_STOPPED, what="its pause")
    assert door.answer() == other
    os.kill(one, signal.SIGCONT)


def test_one_that_dies_is_replaced_and_the_other_goes_on(door: Door) -> None:
    died, other = door.children()
    os.kill(died, signal.SIGKILL)
    wait_until(lambda: door.answer() == other, timeout=10, what="the one that lives")
    wait_until(lambda: len(door.children() - {died}) == 2, timeout=10, what="another in its place")
    assert other in door.children()


def test_a_signal_ends_all_of_them(door: Door) -> None:
    children = door.children()
    door.process.terminate()
    assert door.process.wait(10) == 0
    assert not any(psutil.pid_exists(child) for child in children)
    assert door.answer() is None


def test_none_outlives_the_first_process(door: Door) -> None:
    door.process.kill()
    door.process.wait()
    wait_until(lambda: door.answer() is None, timeout=10, what="the end of all")
