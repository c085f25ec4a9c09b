"""The rights delegated to the service account, each under the name that :func:`lab.api.deny` and others take."""

from __future__ import annotations

from typing import Literal

from lab._descriptor import Access, Entry, Inherit
from lab._directory import Directory
from lab.people import PEOPLE_OU

RESET_PASSWORD = "00299570-246d-11d0-a768-00aa006e0529"
CHANGE_PASSWORD = "ab721a53-1e2f-11d0-9819-00aa0040529b"
UNEXPIRE_PASSWORD = "ccc2dc7d-a6ad-4a7a-8846-c04e3cc53501"
LOCKOUT_TIME = "28630ebf-41d5-11d1-a9c1-0000f80367c1"
PWD_LAST_SET = "bf967a0a-0de6-11d0-a285-00aa003049e2"
_USER_CLASS = "bf967aba-0de6-11d0-a285-00aa003049e2"

Right = Literal[
    "reset-password",
    "change-password",
    "write-lockout-time",
    "write-pwd-last-set",
    "unexpire-password",
    "read-policies",
]
Place = Literal["people", "domain", "policies"]


def _on_people(access: Access, guid: str) -> tuple[Place, Entry]:
    return "people", Entry("", access, inherit=Inherit.BELOW, right=guid, applies_to=_USER_CLASS)


DELEGATED: dict[Right, tuple[Place, Entry]] = {
    "reset-password": _on_people(Access.CONTROL_ACCESS, RESET_PASSWORD),
    "change-password": _on_people(Access.CONTROL_ACCESS, CHANGE_PASSWORD),
    "write-lockout-time": _on_people(Access.READ_PROPERTY | Access.WRITE_PROPERTY, LOCKOUT_TIME),
    "write-pwd-last-set": _on_people(Access.READ_PROPERTY | Access.WRITE_PROPERTY, PWD_LAST_SET),
    "unexpire-password": ("domain", Entry("", Access.CONTROL_ACCESS, right=UNEXPIRE_PASSWORD)),
    "read-policies": ("policies", Entry("", Access.GENERIC_READ, inherit=Inherit.HERE_AND_BELOW)),
}
"""Right → where it is granted, and the entry (its ``sid`` to be filled in)."""


def place_dn(directory: Directory, place: Place) -> str:
    if place == "people":
        return f"{PEOPLE_OU},{directory.base_dn}"
    if place == "policies":
        return f"CN=Password Settings Container,CN=System,{directory.base_dn}"
    return directory.base_dn
