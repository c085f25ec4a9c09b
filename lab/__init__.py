"""A real, throw-away Active Directory forest on loopback, for the demo, the tests and evaluation.

>>> import lab
>>> forest = lab.up("corp")          # doctest: +SKIP
>>> forest.ldaps_url                 # doctest: +SKIP
'ldaps://127.0.0.2'

:mod:`lab.people` is the table of who lives there, :mod:`lab.api` changes it, ``python -m lab`` is the command.
"""

from lab._lifecycle import down, freeze, kill, prepare, restart, thaw, up
from lab._replica import replica, replication
from lab.errors import LabError
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
