"""The agent, held at one point of a reset's road: ``waiting_agent.py POINT GATE agent run --config FILE``.

It makes the file ``GATE.reached`` there and goes on when ``GATE.go`` exists, so that a test can do something to the
directory at just that moment.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ldap.ldapobject import SimpleLDAPObject

from keyback.agent.steps import Steps
from keyback.cli.main import main
from tests.support.crashing_agent import is_write

__all__ = ["POINTS"]


def hold(gate: Path) -> None:
    gate.with_suffix(".reached").touch()
    while not gate.with_suffix(".go").exists():
        time.sleep(0.01)


def before_step(name: str) -> Callable[[Path], None]:
    def install(gate: Path) -> None:
        step = getattr(Steps, name)

        def held(self: Any, subject: Any, *rest: Any) -> Any:
            if is_write(subject):
                hold(gate)
            return step(self, subject, *rest)

        setattr(Steps, name, held)

    return install


def after_sending(gate: Path) -> None:
    """The write is on its way; its answer is not waited for yet."""
    send = SimpleLDAPObject.modify_ext

    def held(self: Any, dn: str, changes: Any, *rest: Any, **named: Any) -> Any:
        message = send(self, dn, changes, *rest, **named)
        if any(name == "unicodePwd" for _, name, _ in changes):
            hold(gate)
        return message

    SimpleLDAPObject.modify_ext = held


POINTS: dict[str, Callable[[Path], None]] = {
    "before_modify": before_step("modify"),
    "after_sending": after_sending,
    "before_read_back": before_step("read_back"),
}


if __name__ == "__main__":
    POINTS[sys.argv[1]](Path(sys.argv[2]))
    main(sys.argv[3:])
