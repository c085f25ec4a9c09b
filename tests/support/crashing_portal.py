"""The portal, killed at one point of a reset's road: ``crashing_portal.py FILE serve --config …``.

As with the agent (`crashing_agent`), the points are a table here and no switch in the product: the product's functions
are wrapped so that the process kills itself, with SIGKILL, before or after one of them, or before its transaction is
committed. The point is the one that stands in FILE, which is removed then, so that a process started anew lives on.
Inspections take the same road as resets; they go on unless the point says otherwise.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django

__all__ = ["POINTS"]

Matches = Callable[[tuple[Any, ...], Any], bool]


_armed = Path(sys.argv[1]) if len(sys.argv) > 1 else Path()


def die_at(point: str) -> None:
    try:
        if _armed.read_text() != point:
            return
        _armed.unlink()
    except FileNotFoundError:
        return  # another thread is at it
    os.kill(os.getpid(), signal.SIGKILL)


def is_armed(point: str) -> bool:
    try:
        return _armed.read_text() == point
    except FileNotFoundError:
        return False


def always(given: tuple[Any, ...], result: Any) -> bool:
    return True


def something(given: tuple[Any, ...], result: Any) -> bool:
    return bool(result)


def of_a_reset(given: tuple[Any, ...], result: Any) -> bool:
    """For functions that take the request's id second, or the row first, or give work."""
    from keyback.portal.writeback.models import WritebackRequest
    from keyback.protocol.encoding import b64decode

    if isinstance(result, list):
        return any(b'"operation":"reset"' in b64decode(work.envelope) for work in result)
    if isinstance(given[0], WritebackRequest):
        return given[0].operation == "reset"
    return WritebackRequest.objects.filter(id=given[1], operation="reset").exists()


def of_an_inspection(given: tuple[Any, ...], result: Any) -> bool:
    return bool(given[0].operation == "inspect")


Install = Callable[[str], None]


def before(place: str, matches: Matches = always) -> Install:
    return lambda point: _wrap(point, place, matches, None)


def after(place: str, matches: Matches = always) -> Install:
    return lambda point: _wrap(point, place, None, matches)


def _wrap(point: str, place: str, first: Matches | None, then: Matches | None) -> None:
    path, _, name = place.partition(":")
    owner: Any = importlib.import_module(f"keyback.portal.{path}")
    *inside, name = name.split(".")
    for part in inside:
        owner = getattr(owner, part)
    function = getattr(owner, name)

    def killed(*given: Any, **named: Any) -> Any:
        if first is not None and is_armed(point) and first(given, None):
            die_at(point)
        result = function(*given, **named)
        if then is not None and is_armed(point) and then(given, result):
            die_at(point)
        return result

    setattr(owner, name, killed)


PEOPLES_DOOR: dict[str, Install] = {
    "before_recovery_stored": before("recovery.views.identify:start"),
    "after_recovery_stored": after("recovery.views.identify:start"),
    "before_code_stored": before("methods.email.codes:send"),
    "after_code_stored": after("methods.email.codes:send"),
    "before_code_tried": before("methods.email.codes:try_code"),
    "after_gate_opened": after("methods.email.codes:try_code"),
    "before_boxes_taken": before("recovery.choose:submit_sealed"),
    "before_boxes_committed": after("recovery.choose:submit"),
    "after_boxes_taken": after("recovery.choose:submit_sealed"),
}
WORKER: dict[str, Install] = {
    "after_mail_claimed": after("messages.worker:_claim", something),
    "after_mail_handed_over": after("messages.smtp:MailServer.send"),
}
AGENTS_DOOR: dict[str, Install] = {
    "before_inspection_committed": after("writeback.requests:_end", of_an_inspection),
    "after_claim": after("writeback.claims:claim", of_a_reset),
    "before_grant": before("writeback.requests:grant_writing", of_a_reset),
    "after_grant": after("writeback.requests:grant_writing", of_a_reset),
    "before_outcome": before("writeback.requests:finish", of_a_reset),
    "before_outcome_committed": after("writeback.requests:_end", of_a_reset),
    "after_outcome": after("writeback.requests:finish", of_a_reset),
}
POINTS = {**PEOPLES_DOOR, **WORKER, **AGENTS_DOOR}


def main() -> None:
    arguments = sys.argv[2:]
    setup = django.setup
    wrapped = False

    def setup_and_wrap(*given: Any, **named: Any) -> None:
        nonlocal wrapped
        setup(*given, **named)
        if not wrapped:
            wrapped = True
            for point, install in POINTS.items():
                install(point)

    django.setup = setup_and_wrap
    from keyback.cli.main import main as keyback

    keyback(arguments)


if __name__ == "__main__":
    main()
