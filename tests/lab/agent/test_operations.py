"""Inspections, unlocks, expiries and administrators' resets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from tests.lab.agent.desk import Desk

from keyback.agent.config import Protected
from keyback.protocol.messages import Operation
from keyback.protocol.outcomes import OutcomeCode
from lab import Forest, api
from lab.api import SignIn
from lab.people import INITIAL_PASSWORD, Kind, Person

pytestmark = pytest.mark.lab

NEW = "Wholly-New-Pa55word"
GuidOf = Callable[[str], UUID]
NewPerson = Callable[..., Person]


def test_an_inspection_tells_the_policy_that_applies_and_writes_no_event(desk: Desk, guid_of: GuidOf) -> None:
    order = desk.order(guid_of("fibonacci"), Operation.INSPECT)
    outcome = desk.do(order)
    assert outcome.code is OutcomeCode.DONE
    assert outcome.inspection is not None
    assert outcome.inspection.policy.name == "Finance passwords"
    assert outcome.inspection.policy.min_length == 14
    assert desk.story(order) == []


def test_an_inspection_tells_from_when_a_change_is_possible(
    desk: Desk, new_person: NewPerson, guid_of: GuidOf, policy: Callable[..., None]
) -> None:
    person = new_person(Kind.ORDINARY)
    policy(min_age=3_600)
    inspection = desk.do(desk.order(guid_of(person.account), Operation.INSPECT)).inspection
    assert inspection is not None
    assert inspection.possible_from is not None


def test_an_inspection_tells_when_the_password_expires_by_the_policy_that_applies(
    forest: Forest, desk: Desk, guid_of: GuidOf
) -> None:
    inspection = desk.do(desk.order(guid_of("fibonacci"), Operation.INSPECT)).inspection
    assert inspection is not None and inspection.password_expires_at is not None
    told = api.get_attributes(forest, "fibonacci", "msDS-UserPasswordExpiryTimeComputed", "pwdLastSet")
    expires, last_set = (int(told[name][0]) for name in ("msDS-UserPasswordExpiryTimeComputed", "pwdLastSet"))
    assert expires - last_set == 30 * 86_400 * 10**7  # the fine-grained policy's
    assert inspection.password_expires_at == datetime(1601, 1, 1, tzinfo=UTC) + timedelta(microseconds=expires // 10)
    never = desk.do(desk.order(guid_of("niels"), Operation.INSPECT)).inspection
    assert never is not None and never.password_expires_at is None


@pytest.mark.parametrize(
    ("account", "code", "events"),
    [
        ("adele", OutcomeCode.PROTECTED, ["31001", "33004", "31003"]),
        ("margaret", OutcomeCode.PROTECTED, ["31001", "33004", "31003"]),
        ("dennis", OutcomeCode.DISABLED, ["31001", "33005", "31003"]),
        ("carl", OutcomeCode.CANNOT_CHANGE, ["31001", "33009", "31003"]),
        ("oskar", OutcomeCode.OUT_OF_SCOPE, ["31001", "33002", "31003"]),
    ],
)
def test_an_inspection_tells_what_will_be_refused_before_a_password_is_typed(
    desk: Desk, guid_of: GuidOf, account: str, code: OutcomeCode, events: list[str]
) -> None:
    order = desk.order(guid_of(account), Operation.INSPECT)
    assert desk.do(order).code is code
    assert desk.story(order) == events


@pytest.mark.parametrize("right", ["reset-password", "write-lockout-time"])
def test_an_inspection_tells_a_missing_right(
    desk: Desk, new_person: NewPerson, guid_of: GuidOf, rights: Callable[[str], None], right: str
) -> None:
    person = new_person(Kind.ORDINARY)
    rights(right)
    outcome = desk.do(desk.order(guid_of(person.account), Operation.INSPECT, unlock=True))
    assert outcome.code is OutcomeCode.PERMISSION


def test_an_inspection_asks_for_the_rights_of_what_is_to_follow_and_for_no_other(
    forest: Forest, desk: Desk, new_person: NewPerson, guid_of: GuidOf, rights: Callable[[str], None]
) -> None:
    guid = guid_of(new_person(Kind.ORDINARY).account)

    def permitted(operation: Operation, **how: object) -> bool:
        return desk.do(desk.order(guid, Operation.INSPECT, inspect_for=operation, **how)).code is OutcomeCode.DONE

    rights("reset-password")
    assert [permitted(each) for each in (Operation.RESET, Operation.CHANGE, Operation.UNLOCK)] == [False, True, True]
    api.restore_rights(forest)
    rights("write-lockout-time")
    assert [permitted(each) for each in (Operation.RESET, Operation.CHANGE, Operation.UNLOCK)] == [True, True, False]
    rights("write-pwd-last-set")
    assert not permitted(Operation.RESET, must_change=True, initiator=f"admin:{uuid4()}")


def test_an_inspection_before_a_change_tells_what_a_change_would_meet(
    desk: Desk, new_person: NewPerson, guid_of: GuidOf
) -> None:
    for kind, code in (
        (Kind.LOCKED, OutcomeCode.LOCKED_OUT),
        (Kind.CANNOT_CHANGE, OutcomeCode.CANNOT_CHANGE),
        (Kind.DISABLED, OutcomeCode.DISABLED),
    ):
        order = desk.order(guid_of(new_person(kind).account), Operation.INSPECT, inspect_for=Operation.CHANGE)
        assert desk.do(order).code is code
        story = desk.story(order)
        assert (story[0], story[-1]) == ("31006", "31008")
        assert ("33006" in story) == (kind is Kind.LOCKED)


def test_an_unlock_opens_the_account_and_leaves_the_password(
    forest: Forest, desk: Desk, new_person: NewPerson, guid_of: GuidOf
) -> None:
    person = new_person(Kind.LOCKED)
    order = desk.order(guid_of(person.account), Operation.UNLOCK)
    assert desk.do(order).code is OutcomeCode.DONE
    assert desk.story(order) == ["42001", "42002"]
    assert api.kinit(forest, person.account, INITIAL_PASSWORD) is SignIn.OK
    assert desk.intents == []  # it may repeat, so nobody has to be asked


def test_an_unlock_without_the_right_is_told_as_such(
    desk: Desk, new_person: NewPerson, guid_of: GuidOf, rights: Callable[[str], None]
) -> None:
    person = new_person(Kind.LOCKED)
    rights("write-lockout-time")
    order = desk.order(guid_of(person.account), Operation.UNLOCK)
    assert desk.do(order).code is OutcomeCode.PERMISSION
    assert desk.story(order) == ["42001", "33004", "33006", "42003"]
    assert "missing: Write lockoutTime" in desk.events(order)[1].message


def test_an_expired_password_must_be_changed_at_the_next_sign_in(
    forest: Forest, desk: Desk, new_person: NewPerson, guid_of: GuidOf
) -> None:
    person = new_person(Kind.ORDINARY)
    order = desk.order(guid_of(person.account), Operation.EXPIRE, initiator=f"admin:{uuid4()}")
    assert desk.do(order).code is OutcomeCode.DONE
    assert desk.story(order) == ["42004", "42005"]
    assert api.kinit(forest, person.account, INITIAL_PASSWORD) is SignIn.PASSWORD_EXPIRED


def test_a_password_that_never_expires_cannot_be_expired(desk: Desk, new_person: NewPerson, guid_of: GuidOf) -> None:
    person = new_person(Kind.NEVER_EXPIRES)
    order = desk.order(guid_of(person.account), Operation.EXPIRE, initiator=f"admin:{uuid4()}")
    assert desk.do(order).code is OutcomeCode.CONFIGURATION
    assert desk.story(order) == ["42004", "33009", "42006"]


def test_without_the_right_a_password_is_not_expired_and_the_right_is_named(
    desk: Desk, new_person: NewPerson, guid_of: GuidOf, rights: Callable[[str], None]
) -> None:
    person = new_person(Kind.ORDINARY)
    rights("write-pwd-last-set")
    order = desk.order(guid_of(person.account), Operation.EXPIRE, initiator=f"admin:{uuid4()}")
    assert desk.do(order).code is OutcomeCode.PERMISSION
    assert desk.story(order) == ["42004", "33004", "42006"]
    assert "missing: Write pwdLastSet" in desk.events(order)[1].message


def test_where_passwords_never_expire_an_administrators_one_is_no_temporary_one(
    forest: Forest, desk: Desk, new_person: NewPerson, guid_of: GuidOf
) -> None:
    person = new_person(Kind.NEVER_EXPIRES)
    order = desk.order(guid_of(person.account), Operation.RESET, NEW, must_change=True, initiator=f"admin:{uuid4()}")
    outcome = desk.do(order)
    assert outcome.code is OutcomeCode.DONE
    assert "never expires" in outcome.detail
    assert int(api.get_attributes(forest, person.account, "pwdLastSet")["pwdLastSet"][0]) > 0
    assert api.kinit(forest, person.account, NEW) is SignIn.OK


@pytest.mark.parametrize(
    ("kind", "states", "code"),
    [
        (Kind.NEVER_EXPIRES, frozenset({"never_expires"}), OutcomeCode.CANNOT_CHANGE),
        (Kind.CANNOT_CHANGE, frozenset(), OutcomeCode.DONE),
    ],
)
def test_the_agents_own_file_says_which_states_keep_a_person_from_a_reset(
    desk: Desk, new_person: NewPerson, guid_of: GuidOf, kind: Kind, states: frozenset[str], code: OutcomeCode
) -> None:
    desk.close()
    desk.protected = Protected.model_validate({"states": states})
    desk.start()
    guid = guid_of(new_person(kind).account)
    assert desk.do(desk.order(guid, Operation.INSPECT)).code is code
    assert desk.do(desk.order(guid, Operation.RESET, NEW)).code is code


def test_an_administrators_password_is_temporary_from_the_first_moment(
    forest: Forest, desk: Desk, new_person: NewPerson, guid_of: GuidOf
) -> None:
    person = new_person(Kind.ORDINARY)
    order = desk.order(
        guid_of(person.account), Operation.RESET, NEW, must_change=True, unlock=True, initiator=f"admin:{uuid4()}"
    )
    outcome = desk.do(order)
    assert outcome.code is OutcomeCode.DONE, outcome.detail
    assert desk.story(order) == ["31009", "31010"]
    assert api.bind(forest, person.account, NEW) == "773"


def test_an_administrator_may_reset_a_person_who_may_not_change_it(
    forest: Forest, desk: Desk, new_person: NewPerson, guid_of: GuidOf
) -> None:
    person = new_person(Kind.CANNOT_CHANGE)
    order = desk.order(guid_of(person.account), Operation.RESET, NEW, initiator=f"admin:{uuid4()}")
    assert desk.do(order).code is OutcomeCode.DONE
    assert api.kinit(forest, person.account, NEW) is SignIn.OK


def test_an_account_whose_anchor_another_one_carries_is_not_written(
    desk: Desk, forest: Forest, guid_of: GuidOf
) -> None:
    before = api.password_version(forest, "edsger")
    order = desk.order(guid_of("edsger"), Operation.RESET, NEW, ambiguous=True)
    assert desk.do(order).code is OutcomeCode.AMBIGUOUS
    assert desk.story(order) == ["31001", "33003", "31003"]
    assert api.password_version(forest, "edsger") == before
