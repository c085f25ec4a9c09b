"""A real, throw-away Active Directory forest on loopback, for the demo, the tests and evaluation.

>>> import lab
>>> forest = lab.up("corp")          # doctest: +SKIP
>>> forest.ldaps_url                 # doctest: +SKIP
'ldaps://127.0.0.2'

:mod:`lab.people` is the table of who lives there, :mod:`lab.api` changes it, ``python -m lab`` is the command.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from lab.errors import LabError

if TYPE_CHECKING:
    from lab._lifecycle import down, freeze, kill, prepare, restart, thaw, up
    from lab._replica import replica, replication
    from lab.forest import Controller, Forest, describe, describe_all

__all__ = [
    "Controller",
    "Forest",
    "LabError",
    "describe",
    "describe_all",
    "down",
    "freeze",
    "kill",
    "prepare",
    "replica",
    "replication",
    "restart",
    "thaw",
    "up",
]

_FROM = {
    **dict.fromkeys(("down", "freeze", "kill", "prepare", "restart", "thaw", "up"), "lab._lifecycle"),
    **dict.fromkeys(("replica", "replication"), "lab._replica"),
    **dict.fromkeys(("Controller", "Forest", "describe", "describe_all"), "lab.forest"),
}


def __getattr__(name: str) -> Any:
    """Loaded when it is used: the demo runs without python-ldap too, where there is no forest."""
    if name not in _FROM:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_FROM[name]), name)
