"""`keyback` as an operator runs it: a process of its own, on the database of the test or on one that it makes."""

from __future__ import annotations

import io
import json
import logging
import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keyback.cli.main import main
from tests.support.waiting import wait_until

KEYBACK = Path(sys.executable).with_name("keyback")


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


class Here:
    """`keyback` within this process, on the test's own database connection: what a test writes, it sees."""

    def __call__(self, *arguments: str, input: str = "") -> Done:
        out, err = io.StringIO(), io.StringIO()
        level, environment, stdin = logging.getLogger().level, dict(os.environ), sys.stdin
        sys.stdin = io.StringIO(input)
        try:
            with redirect_stdout(out), redirect_stderr(err):
                main(arguments)
        except SystemExit as end:
            return Done(int(end.code or 0), out.getvalue(), err.getvalue())
        finally:
            sys.stdin = stdin
            logging.getLogger().setLevel(level)
            os.environ.clear()
            os.environ.update(environment)
        raise AssertionError("main() ends with an exit status")

    def ok(self, *arguments: str, input: str = "") -> str:
        """The standard output of a command that must succeed."""
        done = self(*arguments, input=input)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def lines(self, *arguments: str) -> list[dict[str, Any]]:
        """What a command with --json prints."""
        return [json.loads(line) for line in self.ok(*arguments, "--json").splitlines()]

    def refused(self, *arguments: str, input: str = "") -> str:
        """The one line that a command says that must be refused with exit status 2."""
        done = self(*arguments, input=input)
        assert (done.returncode, done.stdout) == (2, ""), done
        assert done.stderr.count("\n") == 1, done.stderr
        return done.stderr.strip()


@dataclass
class Keyback:
    """`keyback("org", "list")`: the finished process. `config`: what KEYBACK_CONFIG names."""

    config: Path

    def __call__(self, *arguments: str | Path, input: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [KEYBACK, *arguments], input=input, capture_output=True, text=True, timeout=60, env=self._env(), check=False
        )

    def ok(self, *arguments: str | Path, input: str = "") -> str:
        """The standard output of a command that must succeed."""
        done = self(*arguments, input=input)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refused(self, *arguments: str | Path, input: str = "") -> str:
        """The one line that a command says that must be refused with exit status 2."""
        done = self(*arguments, input=input)
        assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
        assert done.stderr.count("\n") == 1, done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr.strip()

    def at_terminal(self, *arguments: str) -> Terminal:
        """The same at a terminal, where passwords are typed."""
        return Terminal([str(KEYBACK), *arguments], self._env())

    def _env(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
        return {**kept, "KEYBACK_CONFIG": str(self.config)}


class Terminal:
    """A process whose terminal is ours. `seen` is all that stood on its screen."""

    def __init__(self, arguments: Sequence[str], env: dict[str, str]) -> None:
        ours, theirs = pty.openpty()
        self._ours = ours
        self.seen = ""
        # setsid makes our terminal the one that /dev/tty names: passwords are read from there.
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=env
        )
        os.close(theirs)
        os.set_blocking(ours, False)

    def wait_for(self, text: str, *, times: int = 1) -> None:
        wait_until(lambda: self._read().count(text) >= times, timeout=30, what=f"{text!r} on the screen")

    def type(self, line: str) -> None:
        os.write(self._ours, f"{line}\n".encode())

    def command_line(self) -> str:
        """What every user of this machine can see of it."""
        return Path(f"/proc/{self.process.pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()

    def end(self) -> int:
        """Its exit status; everything that it printed is in `seen` then."""

        def ended() -> bool:
            self._read()  # a full terminal would keep it from ending
            return self.process.poll() is not None

        wait_until(ended, timeout=30, what="the command's end")
        self._read()
        os.close(self._ours)
        return self.process.returncode

    def _read(self) -> str:
        try:
            while chunk := os.read(self._ours, 65536):
                self.seen += chunk.decode(errors="replace")
        except (BlockingIOError, OSError):
            pass  # nothing more now, or the other end is closed
        return self.seen
