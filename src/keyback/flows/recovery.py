"""The recovery flow: from a user ID to a written password, or to a refusal.

docs/flows.md is drawn from ``TRANSITIONS`` (``python -m keyback.flows.draw``). Unknown people walk the same states as
known ones; they never see GATE_OPENED.
"""

from __future__ import annotations

from enum import StrEnum

from keyback.errors import KeybackError

__all__ = ["ENDED", "TRANSITIONS", "Event", "IllegalMove", "State", "advance"]


class State(StrEnum):
    PROVE = "prove"  # choosing a method, typing what proves it
    INSPECT = "inspect"  # the agent looks at the account; nobody has typed a password yet
    CHOOSE = "choose"  # typing the new password
    WRITE = "write"  # submitted; the agent writes
    DONE = "done"
    REFUSED = "refused"  # a refusal with a code
    UNSURE = "unsure"  # nobody could find out whether the password was written
    EXPIRED = "expired"  # the 15 minutes are over


class Event(StrEnum):
    GATE_OPENED = "gate_opened"
    LAST_GATE_OPENED = "last_gate_opened"
    LAST_GATE_OPENED_CLOUD = "last_gate_opened_cloud"  # the portal keeps this password: nothing to inspect
    PROVED = "proved"  # somebody who is signed in proved one thing more, which is all they came for
    WRITABLE = "writable"
    NOT_WRITABLE = "not_writable"
    SUBMITTED = "submitted"
    WRITTEN = "written"
    PASSWORD_REFUSED = "password_refused"  # noqa: S105 (an event's name) a rule was broken: choose another
    STALE = "stale"  # the account's password moved since the inspection: inspect again
    WRITE_REFUSED = "write_refused"
    WRITE_UNKNOWN = "write_unknown"
    TIME_OVER = "time_over"


TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.PROVE, Event.GATE_OPENED): State.PROVE,
    # the look at the account begins with the first gate, and may end before the last one
    (State.PROVE, Event.WRITABLE): State.PROVE,
    (State.PROVE, Event.NOT_WRITABLE): State.REFUSED,
    (State.PROVE, Event.LAST_GATE_OPENED): State.INSPECT,
    (State.PROVE, Event.LAST_GATE_OPENED_CLOUD): State.CHOOSE,
    (State.PROVE, Event.PROVED): State.DONE,
    (State.PROVE, Event.TIME_OVER): State.EXPIRED,
    (State.INSPECT, Event.WRITABLE): State.CHOOSE,
    (State.INSPECT, Event.NOT_WRITABLE): State.REFUSED,
    (State.INSPECT, Event.TIME_OVER): State.EXPIRED,
    (State.CHOOSE, Event.SUBMITTED): State.WRITE,
    (State.CHOOSE, Event.PASSWORD_REFUSED): State.CHOOSE,
    (State.CHOOSE, Event.NOT_WRITABLE): State.REFUSED,
    (State.CHOOSE, Event.TIME_OVER): State.EXPIRED,
    (State.WRITE, Event.WRITTEN): State.DONE,
    (State.WRITE, Event.PASSWORD_REFUSED): State.CHOOSE,
    (State.WRITE, Event.STALE): State.INSPECT,
    (State.WRITE, Event.WRITE_REFUSED): State.REFUSED,
    (State.WRITE, Event.WRITE_UNKNOWN): State.UNSURE,
    # a late outcome corrects the story
    (State.REFUSED, Event.WRITTEN): State.DONE,
    (State.UNSURE, Event.WRITTEN): State.DONE,
    (State.UNSURE, Event.WRITE_REFUSED): State.REFUSED,
}

ENDED = frozenset({State.DONE, State.REFUSED, State.UNSURE, State.EXPIRED})


class IllegalMove(KeybackError):
    """This event cannot happen in this state: a replayed, reordered or skipped step."""

    code = "illegal_move"

    def __init__(self, state: State, event: Event) -> None:
        super().__init__(f"{event} is not possible in {state}")
        self.state = state
        self.event = event


def advance(state: State, event: Event) -> State:
    """The next state. Raises IllegalMove where the table has no entry."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalMove(state, event) from None
