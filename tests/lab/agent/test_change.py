"""A change with the current password, voluntary or forced."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest
from tests.lab.agent.desk import Desk, Order

from keyback.protocol.messages import Operation
from keyback.protocol.outcomes import OutcomeCode, sspr_code
from lab import Forest, api
from lab.api import SignIn
from lab.people import INITIAL_PASSWORD, Kind, Person

pytestmark = pytest.mark.lab

NEW = "Wholly-New-Pa55word"
GuidOf = Callable[[str], UUID]
NewPerson = Callable[..., Person]


@pytest.fixture
def change(desk: Desk, guid_of: GuidOf) -> Callable[..., Order]:
    def order(person: Person, new: str = NEW, current: str = INITIAL_PASSWORD) -> Order:
        return desk.order(guid_of(person.account), Operation.CHANGE, new, current=current)

    return order


@pytest.mark.parametrize("kind", [Kind.ORDINARY, Kind.MUST_CHANGE, Kind.PASSWORD_EXPIRED, Kind.NEVER_EXPIRES])
def test_whoever_knows_the_current_password_has_a_new_one_also_when_it_must_be_changed_or_has_expired(
    forest: Forest, desk: Desk, new_person: NewPerson, change: Callable[..., Order], kind: Kind
) -> None:
    person = new_person(kind)
    order = change(person)
    outcome = desk.do(order)
    assert outcome.code is OutcomeCode.DONE, outcome.detail
    assert outcome.detail == ""
    assert api.kinit(forest, person.account, NEW) is SignIn.OK
    assert api.kinit(forest, person.account, INITIAL_PASSWORD) is SignIn.WRONG_PASSWORD
    assert [event.action for event in api.audit(forest, account=person.account)][-1] == "Change"
    assert desk.story(order) == ["31006", "31007"]
    assert len(desk.intents) == 1  # written once or never, as a reset


def test_a_wrong_current_password_is_told_as_such_and_nothing_is_written(
    forest: Forest, desk: Desk, new_person: NewPerson, change: Callable[..., Order]
) -> None:
    person = new_person()
    version = api.password_version(forest, person.account)
    order = change(person, current="Not-The-Pa55word")
    assert desk.do(order).code is OutcomeCode.CURRENT_WRONG
    assert desk.story(order) == ["31006", "33007", "31008"]
    assert api.password_version(forest, person.account) == version


def test_a_locked_out_account_is_told_as_such_and_not_tried(
    forest: Forest, desk: Desk, new_person: NewPerson, change: Callable[..., Order]
) -> None:
    person = new_person(Kind.LOCKED)
    order = change(person)
    outcome = desk.do(order)
    assert outcome.code is OutcomeCode.LOCKED_OUT
    assert sspr_code(outcome.code) == "SSPR_0029"
    assert desk.story(order) == ["31006", "33006", "31008"]
    assert desk.intents == []


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (Kind.DISABLED, OutcomeCode.DISABLED),
        (Kind.EXPIRED, OutcomeCode.ACCOUNT_EXPIRED),
        (Kind.CANNOT_CHANGE, OutcomeCode.CANNOT_CHANGE),
    ],
)
def test_an_account_whose_state_forbids_it_is_left_alone(
    desk: Desk, new_person: NewPerson, change: Callable[..., Order], kind: Kind, code: OutcomeCode
) -> None:
    order = change(new_person(kind))
    assert desk.do(order).code is code
    assert desk.story(order)[-1] == "31008"


@pytest.mark.parametrize(
    ("new", "rules"),
    [("Sh0r-t", {"too_short"}), ("allsmallletters", {"classes"}), (INITIAL_PASSWORD, {"used_before"})],
)
def test_a_new_password_that_breaks_a_rule_spends_no_try_of_the_current_one(
    desk: Desk, new_person: NewPerson, change: Callable[..., Order], new: str, rules: set[str]
) -> None:
    order = change(new_person(), new, "Not-The-Pa55word" if new != INITIAL_PASSWORD else new)
    outcome = desk.do(order)
    assert outcome.code is OutcomeCode.POLICY
    assert {finding.code for finding in outcome.findings} == rules
    assert desk.story(order) == ["31006", "33008", "31008"]


def test_a_password_from_the_history_is_refused_by_the_directory_and_named(
    desk: Desk, new_person: NewPerson, change: Callable[..., Order]
) -> None:
    person = new_person()
    assert desk.do(change(person)).code is OutcomeCode.DONE
    order = change(person, INITIAL_PASSWORD, NEW)
    outcome = desk.do(order)
    assert [finding.code for finding in outcome.findings] == ["used_before"]
    assert desk.story(order) == ["31006", "6329", "33008", "31008"]


def test_the_minimum_age_holds_for_a_change_but_not_for_a_forced_one(
    desk: Desk, new_person: NewPerson, change: Callable[..., Order], policy: Callable[..., None]
) -> None:
    young, forced = new_person(), new_person(Kind.MUST_CHANGE)
    policy(min_age=3_600)
    outcome = desk.do(change(young))
    assert [finding.code for finding in outcome.findings] == ["too_young"]
    assert desk.do(change(forced)).code is OutcomeCode.DONE


def test_wrong_current_passwords_spend_half_of_the_lock_out_threshold_and_no_more(
    forest: Forest, desk: Desk, new_person: NewPerson, change: Callable[..., Order], policy: Callable[..., None]
) -> None:
    policy(lockout_threshold=5)
    person = new_person()
    codes = [desk.do(change(person, current="Not-The-Pa55word")).code for _ in range(3)]
    assert codes == [OutcomeCode.CURRENT_WRONG, OutcomeCode.CURRENT_WRONG, OutcomeCode.TRIES_SPENT]
    order = change(person)  # the right one has to wait as well, or the answer would tell which one is right
    outcome = desk.do(order)
    assert outcome.code is OutcomeCode.TRIES_SPENT
    assert "possible_from" in outcome.findings[0].params
    assert desk.story(order) == ["31006", "42023", "31008"]
    assert [api.bind(forest, person.account, "Not-The-Pa55word") for _ in range(2)] == ["52e", "52e"]
    assert api.bind(forest, person.account, INITIAL_PASSWORD) == ""  # 4 of 5: the person's own computer still can


def test_without_the_portals_leave_nothing_is_sent_and_no_try_is_spent(
    desk: Desk, new_person: NewPerson, change: Callable[..., Order], policy: Callable[..., None]
) -> None:
    policy(lockout_threshold=2)  # one try
    person = new_person()
    desk.granted = False
    desk.agent.carry_out(change(person).work())
    assert desk.outcomes == []
    desk.granted = True
    assert desk.do(change(person)).code is OutcomeCode.DONE


def test_what_became_of_a_change_is_found_out_and_it_is_never_sent_twice(
    forest: Forest, desk: Desk, new_person: NewPerson, change: Callable[..., Order]
) -> None:
    person = new_person()
    order = change(person)
    desk.granted = False
    desk.agent.carry_out(order.work(fence=1))
    before = desk.intents[-1].before
    desk.granted = True
    assert desk.do(order, fence=2, before=before).code is OutcomeCode.NOT_WRITTEN
    assert desk.story(order)[-2:] == ["42015", "31008"]

    order = change(person)
    desk.granted = False
    desk.agent.carry_out(order.work(fence=1))
    desk.granted = True
    api.set_password(forest, person.account, NEW)
    assert desk.do(order, fence=2, before=before).code is OutcomeCode.DONE
    assert desk.story(order)[-2:] == ["42015", "31007"]


def test_a_box_without_the_current_password_is_not_opened_as_a_change(
    desk: Desk, new_person: NewPerson, guid_of: GuidOf
) -> None:
    order = desk.order(guid_of(new_person().account), Operation.CHANGE, NEW)
    assert desk.do(order).code is OutcomeCode.UNOPENABLE
    assert desk.story(order) == ["31006", "32004", "31008"]
