"""`make demo` where no forest can be made: people of the portal itself, and Ctrl-C leaves nothing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from tests.support.person import PersonAtBrowser
from tests.support.ports import free_port
from tests.support.smtp import Sink
from tests.support.waiting import wait_until

TREE = Path(__file__).parents[2]


def _ask_for_a_code(url: str) -> None:
    with PersonAtBrowser(url, Sink()) as person:
        person.identify("ada@example.test")
        person.choose_email()


def test_without_a_forest_it_runs_with_people_of_the_portal_and_ctrl_c_ends_everything(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "demo.log"
    own = {k: v for k, v in os.environ.items() if not k.startswith(("KEYBACK_", "DJANGO_"))}
    with log.open("wb") as file:
        demo = subprocess.Popen(
            [sys.executable, "-m", "lab.demo", "--port", str(port)],
            cwd=TREE,
            env=own | {"KEYBACK_LAB_CACHE": "/dev/null/nowhere", "TMPDIR": str(tmp_path)},
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        wait_until(lambda: "Ctrl-C ends" in log.read_text() or demo.poll() is not None, timeout=60, what="the demo")
        assert "going on with people whose password the portal keeps" in log.read_text()
        assert "ada@example.test" in log.read_text()
        _ask_for_a_code(f"http://127.0.0.1:{port}")
        wait_until(lambda: "Your code from Example" in log.read_text(), timeout=15, what="the mail to be shown")
        started = psutil.Process(demo.pid).children(recursive=True)
        assert started
    finally:
        os.killpg(demo.pid, signal.SIGINT)
        demo.wait(30)
    _gone, left = psutil.wait_procs(started, timeout=10)
    assert left == []
    assert [path for path in tmp_path.iterdir() if path != log] == []
