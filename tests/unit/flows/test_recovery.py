"""The recovery table: what may follow what."""

from __future__ import annotations

import itertools

import pytest

from keyback.flows.recovery import ENDED, TRANSITIONS, Event, IllegalMove, State, advance


def test_the_road_of_a_directory_password() -> None:
    state = State.PROVE
    for event in (Event.LAST_GATE_OPENED, Event.WRITABLE, Event.SUBMITTED, Event.WRITTEN):
        state = advance(state, event)
    assert state is State.DONE


def test_a_refused_password_goes_back_to_choosing_and_not_to_proving() -> None:
    assert advance(State.WRITE, Event.PASSWORD_REFUSED) is State.CHOOSE


def test_no_password_is_submitted_before_the_last_gate_is_open() -> None:
    roads_to_choose = {state for (state, _), to in TRANSITIONS.items() if to is State.CHOOSE}
    assert roads_to_choose == {State.PROVE, State.INSPECT, State.CHOOSE, State.WRITE}
    assert {e for (s, e), to in TRANSITIONS.items() if s is State.PROVE and to is State.CHOOSE} == {
        Event.LAST_GATE_OPENED_CLOUD
    }
    assert (State.PROVE, Event.SUBMITTED) not in TRANSITIONS


def test_everything_that_is_not_in_the_table_is_refused() -> None:
    for state, event in itertools.product(State, Event):
        if (state, event) not in TRANSITIONS:
            with pytest.raises(IllegalMove):
                advance(state, event)


def test_a_finished_recovery_moves_only_when_a_late_outcome_corrects_it() -> None:
    assert {(s, e) for s, e in TRANSITIONS if s in ENDED} == {
        (State.REFUSED, Event.WRITTEN),
        (State.UNSURE, Event.WRITTEN),
        (State.UNSURE, Event.WRITE_REFUSED),
    }


def test_every_state_can_be_reached_and_every_running_state_ends() -> None:
    reached = {State.PROVE}
    for _ in State:
        reached |= {to for (state, _), to in TRANSITIONS.items() if state in reached}
    assert reached == set(State)
    for state in set(State) - ENDED:
        ahead = {state}
        for _ in State:
            ahead |= {to for (s, _), to in TRANSITIONS.items() if s in ahead}
        assert ahead & ENDED
