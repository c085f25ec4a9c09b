"""How a long-running command ends."""

import subprocess
import sys

HOLDS_THE_LOCK = """
import os, signal, threading
from keyback.cli.signals import stopping

lock, stopped = threading.Lock(), threading.Event()

def stop():
    with lock:
        stopped.set()

with stopping(stop):
    with lock:
        os.kill(os.getpid(), signal.{name})
        sum(range(100_000))  # a handler would run in here, and wait for the lock that is held here
    assert stopped.wait(10)
print("stopped in order")
"""


def test_a_signal_waits_for_what_the_main_thread_holds() -> None:
    for name in ("SIGTERM", "SIGINT"):
        done = subprocess.run(
            [sys.executable, "-c", HOLDS_THE_LOCK.format(name=name)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, "stopped in order\n"), done.stderr
