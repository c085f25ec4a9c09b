"""The rights delegated to the service account: what they are, how to take them away and give them back."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

from lab._descriptor import Access, Entry, Inherit
from lab._directory import Directory
from lab.forest import Forest
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


def remove_right(forest: Forest, right: Right) -> None:
    """Take a delegated right from the service account.

    ``unexpire-password`` is given to all authenticated users too, as in every Active Directory: only
    :func:`deny_right` takes it away for good.
    """
    with forest.administrator() as directory:
        place, entry = _entry(forest, directory, right)
        directory.ungrant(place_dn(directory, place), entry)


def restore_rights(forest: Forest) -> None:
    """Give the service account exactly its delegated rights again: what was granted or denied otherwise goes."""
    with forest.administrator() as directory:
        sid = directory.sid(forest.service_dn)
        for place in get_args(Place):
            granted = [replace(entry, sid=sid) for at, entry in DELEGATED.values() if at == place]
            dn = place_dn(directory, place)
            directory.set_dacl(dn, directory.dacl(dn).forgetting(sid).adding(*granted))


def deny_right(forest: Forest, right: Right, account: str | None = None) -> None:
    """Deny a right to the service account on one person, or on all people (beats what is granted there)."""
    with forest.administrator() as directory:
        place, entry = _entry(forest, directory, right)
        if account is None:
            directory.grant(place_dn(directory, place), replace(entry, allow=False))
        else:
            directory.grant(directory.find(account), _here(replace(entry, allow=False)))


def allow_right(forest: Forest, right: Right, account: str) -> None:
    """Lift :func:`deny_right` from one person."""
    with forest.administrator() as directory:
        _, entry = _entry(forest, directory, right)
        directory.ungrant(directory.find(account), _here(replace(entry, allow=False)))


def denials(service_sid: str) -> list[Entry]:
    """Every entry that :func:`deny_right` may have laid on the OU or on a person."""
    denied = [replace(entry, sid=service_sid, allow=False) for _, entry in DELEGATED.values()]
    return denied + [_here(entry) for entry in denied]


def _entry(forest: Forest, directory: Directory, right: Right) -> tuple[Place, Entry]:
    place, entry = DELEGATED[right]
    return place, replace(entry, sid=directory.sid(forest.service_dn))


def _here(entry: Entry) -> Entry:
    return replace(entry, inherit=Inherit.HERE, applies_to=None)
