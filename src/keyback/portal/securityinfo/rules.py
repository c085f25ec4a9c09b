"""Who may change what is on file, and from when a new entry counts.

Whoever knows no more than somebody's password must not be able to turn that into a way back in: what is on file is
changed only by who proved something on file, and the first entry of all, which nothing but a password vouches for,
opens no gate for a day and is mailed.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from keyback.errors import KeybackError
from keyback.portal.methods import installed
from keyback.portal.people.models import Person

__all__ = ["ALONE", "MethodNeeded", "methods_on_file", "opening"]

ALONE = timedelta(hours=24)


class MethodNeeded(KeybackError):
    """The person has something on file and has proved none of it in this session."""

    code = "method_needed"


def methods_on_file(person: Person) -> list[str]:
    """The names of the methods with which this person could open a gate at this moment."""
    return [name for name, method in installed().items() if method.ready() and method.masks(person)]


def opening(person: Person, proved: Collection[str], now: datetime) -> datetime:
    """From when an entry that is added now may open a gate. ``proved``: the methods proved in this session beside the
    password. Raises MethodNeeded."""
    if proved:
        return now
    if methods_on_file(person):
        raise MethodNeeded("prove something that is on file first")
    return now + ALONE
