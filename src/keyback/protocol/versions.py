"""Which versions of the protocol this build speaks: its own and the one before, so that portal and agents can be
upgraded one after the other, in either order.

Each side names its version in a header of every call and answer, and both use the lower one. A field that came with a
later version than that is left out (mark it ``Annotated[…, Since(2)]`` and give it a default); a call that came later
is not made. Who is more than one version behind is out of date, and told so.

| version | what came with it |
|---------|-------------------|
| 1       | everything        |
"""

from __future__ import annotations

import typing
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel

from keyback.protocol.errors import Malformed, OutOfDate

__all__ = ["CURRENT", "HEADER", "Since", "agreed", "dump", "spoken"]

HEADER = "Keyback-Protocol"
CURRENT = 1


@dataclass(frozen=True)
class Since:
    """Marks a field of a message: what it is not known to before this version."""

    version: int


def spoken(header: str | None) -> int:
    """The version that the other side named; the first one did not have to. Raises Malformed."""
    if header is None:
        return 1
    if not (header.isascii() and header.isdigit() and len(header) <= 5):
        raise Malformed(f"{HEADER} is not a number")
    return int(header)


def agreed(theirs: int) -> int:
    """What both sides speak. Raises OutOfDate when the other one is more than one version behind."""
    if theirs < max(1, CURRENT - 1):
        raise OutOfDate(f"it speaks version {theirs} of the protocol, and this build {CURRENT} and the one before")
    return min(theirs, CURRENT)


def dump(message: BaseModel, version: int) -> bytes:
    """The message as JSON, without what a reader of this version does not know."""
    return message.model_dump_json(exclude=_unknown(type(message), version) or None).encode()


@cache
def _unknown(model: type[BaseModel], version: int) -> dict[str, Any]:
    """As pydantic's ``exclude`` takes it."""
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        if any(isinstance(mark, Since) and mark.version > version for mark in field.metadata):
            found[name] = True
            continue
        for inner, in_list in _models(field.annotation):
            if below := _unknown(inner, version):
                found[name] = {"__all__": below} if in_list else below
    return found


def _models(annotation: Any, in_list: bool = False) -> list[tuple[type[BaseModel], bool]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [(annotation, in_list)]
    in_list = in_list or typing.get_origin(annotation) in (list, tuple)
    return [found for part in typing.get_args(annotation) for found in _models(part, in_list)]
