"""An agent's machine needs no Django, and a command that only explains needs no directory."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("program", "absent"),
    [
        ("import keyback.agent.build, keyback.cli.agent", ("django", "starlette", "keyback.portal")),
        ("import keyback.cli.main, keyback.cli.agent", ("django", "ldap", "httpx2", "cryptography", "pydantic")),
        ("import keyback.agent.catalogue", ("ldap", "httpx2")),
    ],
)
def test_what_is_not_needed_is_not_loaded(program: str, absent: tuple[str, ...]) -> None:
    check = f"import sys\n{program}\nprint([name for name in {absent!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
