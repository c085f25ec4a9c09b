"""A test run that is killed leaves no process behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.waiting import wait_until

# Started as agents and portals are: in a session of its own, and by a thread that has ended since.
RUN = """
import subprocess, threading, time
from tests.support import orphans
orphans.end_with_this_process()
def start():
    print(subprocess.Popen(["sleep", "3600"], start_new_session=True).pid, flush=True)
starter = threading.Thread(target=start)
starter.start()
starter.join()
time.sleep(3600)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_what_a_run_has_started_ends_with_it(how: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", RUN], stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        started = int(run.stdout.readline())
        assert alive(started)
        run.send_signal(how)
    wait_until(lambda: not alive(started), timeout=20, what="the end of what it had started")


def test_what_other_runs_have_started_goes_on() -> None:
    with subprocess.Popen(["sleep", "3600"], env=os.environ | {"TEST_RUN_MARK": "another"}) as other:
        with subprocess.Popen([sys.executable, "-c", RUN], stdout=subprocess.PIPE) as run:
            assert run.stdout is not None
            started = int(run.stdout.readline())
            run.kill()
        wait_until(lambda: not alive(started), timeout=20, what="the end of what it had started")
        assert other.poll() is None
        other.kill()


def alive(pid: int) -> bool:
    """Whether it runs: one that nobody has buried yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
