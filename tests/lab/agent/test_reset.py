"""A reset by the person: written once, told truly, refused with the rule that it breaks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from tests.lab.agent.desk import Desk

from keyback.agent.config import Limits, Protected
from keyback.protocol.messages import Operation
from keyback.protocol.outcomes import OutcomeCode
from lab import Forest, api
from lab.api import SignIn
from lab.people import INITIAL_PASSWORD, Kind, Person

pytestmark = pytest.mark.lab

NEW = "Wholly-New-Pa55word"
GuidOf = Callable[[str], UUID]
NewPerson = Callable[..., Person]


def test_the_new_password_signs_in_the_old_one_is_dead_and_the_directory_saw_one_reset(
    forest: Forest, desk: Desk, new_person: NewPerson, guid_of: GuidOf
) -> None:
    person = new_person(Kind.ORDINARY)
    order = desk.order(guid_of(person.account), Operation.RESET, NEW, unlock=True)

    outcome = desk.do(order)

    assert outcome.code is OutcomeCode.DONE, outcome.detail
    assert outcome.detail == ""
    assert api.kinit(forest, person.account, NEW) is SignIn.OK
    assert api.kinit(forest, person.account, INITIAL_PASSWORD) is SignIn.WRONG_PASSWORD
    resets = [
        event for event in api.audit(forest, account=person.account) if event.action == "Reset" and event.by_service
    ]
    assert len(resets) == 1
    assert desk.story(order) == ["31001", "31002"]
    assert desk.events(order)[-1].fields["account"] == person.account
    entry = desk.journal.entry(order.envelope.request_id)
    assert entry is not None
    assert entry.outcome == outcome
    assert entry.before == desk.intents[0].before
    assert entry.before.password_version + 1 == api.password_version(forest, person.account)


def test_a_locked_account_is_unlocked_in_the_same_write(
    forest: Forest, desk: Desk, new_person: NewPerson, guid_of: GuidOf
) -> None:
    person = new_person(Kind.LOCKED)
    outcome = desk.do(desk.order(guid_of(person.account), Operation.RESET, NEW, unlock=True))
    assert outcome.code is OutcomeCode.DONE
    assert api.kinit(forest, person.account, NEW) is SignIn.OK


@pytest.mark.parametrize(
    ("password", "rules"),
    [
        ("Sh0r-t", {"too_short"}),
        ("allsmallletters", {"classes"}),
        ("x-{account}-2026-X", {"account_name"}),
        ("Pa55-Quaternion-x", {"display_name"}),
    ],
)
def test_a_password_that_breaks_a_rule_is_never_sent(
    forest: Forest, desk: Desk, new_person: NewPerson, guid_of: GuidOf, password: str, rules: set[str]
) -> None:
    person = new_person(Kind.ORDINARY, surname="Quaternion")
    version = api.password_version(forest, person.account)
    order = desk.order(guid_of(person.account), Operation.RESET, password.format(account=person.account))

    outcome = desk.do(order)

    assert outcome.code is OutcomeCode.POLICY
    assert {finding.code for finding in outcome.findings} == rules
    assert desk.story(order) == ["31001", "33008", "31003"]
    assert desk.intents == []
    assert api.password_version(forest, person.account) == version


def test_a_password_from_the_history_is_refused_by_the_directory_and_named(
    forest: Forest, desk: Desk, new_person: NewPerson, guid_of: GuidOf
) -> None:
    person = new_person(Kind.ORDINARY)
    order = desk.order(guid_of(person.account), Operation.RESET, INITIAL_PASSWORD)
    outcome = desk.do(order)
    assert outcome.code is OutcomeCode.POLICY
    assert [finding.code for finding in outcome.findings] == ["used_before"]
    assert desk.story(order) == ["31001", "6329", "33008", "31003"]
    assert desk.events(order)[1].fields["hr"] == "0x80230619"


def test_a_password_that_is_too_young_is_named_with_the_time_from_which_it_is_possible(
    desk: Desk, new_person: NewPerson, guid_of: GuidOf, policy: Callable[..., None]
) -> None:
    person = new_person(Kind.ORDINARY)
    policy(min_age=3_600)
    outcome = desk.do(desk.order(guid_of(person.account), Operation.RESET, NEW))
    assert outcome.code is OutcomeCode.POLICY
    (finding,) = outcome.findings
    assert finding.code == "too_young"
    assert str(finding.params["possible_from"]).endswith("+00:00")
    assert desk.intents == []


def test_a_password_filter_is_named_as_a_filter(
    desk: Desk, new_person: NewPerson, guid_of: GuidOf, password_filter: Callable[..., None]
) -> None:
    person = new_person(Kind.ORDINARY)
    password_filter("forbiddenword")
    order = desk.order(guid_of(person.account), Operation.RESET, "My-forbiddenword-1")
    outcome = desk.do(order)
    assert [finding.code for finding in outcome.findings] == ["filter"]
    assert desk.story(order) == ["31001", "6329", "33008", "31003"]


@pytest.mark.parametrize(
    ("kind", "code", "events"),
    [
        (Kind.DISABLED, OutcomeCode.DISABLED, ["31001", "33005", "31003"]),
        (Kind.EXPIRED, OutcomeCode.ACCOUNT_EXPIRED, ["31001", "33009", "31003"]),
        (Kind.CANNOT_CHANGE, OutcomeCode.CANNOT_CHANGE, ["31001", "33009", "31003"]),
    ],
)
def test_an_account_whose_state_forbids_it_is_left_alone(
    forest: Forest,
    desk: Desk,
    new_person: NewPerson,
    guid_of: GuidOf,
    kind: Kind,
    code: OutcomeCode,
    events: list[str],
) -> None:
    person = new_person(kind)
    version = api.password_version(forest, person.account)
    order = desk.order(guid_of(person.account), Operation.RESET, NEW)
    assert desk.do(order).code is code
    assert desk.story(order) == events
    assert api.password_version(forest, person.account) == version


@pytest.mark.parametrize("account", ["adele", "margaret", "svc-keyback", "krbtgt", "Administrator"])
def test_a_protected_account_is_never_written_whatever_is_asked(
    forest: Forest, desk: Desk, guid_of: GuidOf, account: str
) -> None:
    version = api.password_version(forest, account)
    order = desk.order(guid_of(account), Operation.RESET, NEW, initiator=f"admin:{uuid4()}")
    assert desk.do(order).code is OutcomeCode.PROTECTED
    assert desk.story(order) == ["31009", "33004", "31011"]
    assert api.password_version(forest, account) == version


def test_accounts_out_of_scope_listed_or_gone_are_refused(forest: Forest, tmp_path: Path, guid_of: GuidOf) -> None:
    desk = Desk(
        forest, tmp_path / "listing", protected=Protected(dns=frozenset({f"CN=Ada Lovelace,{forest.people_dn}"}))
    )
    try:
        assert desk.do(desk.order(guid_of("oskar"), Operation.RESET, NEW)).code is OutcomeCode.OUT_OF_SCOPE
        assert desk.do(desk.order(guid_of("ada"), Operation.RESET, NEW)).code is OutcomeCode.PROTECTED
        gone = desk.order(uuid4(), Operation.RESET, NEW)
        assert desk.do(gone).code is OutcomeCode.NOT_FOUND
        assert desk.story(gone) == ["31001", "33002", "31003"]
    finally:
        desk.close()


def test_a_lock_out_that_cannot_be_cleared_leaves_everything_as_it_was_and_both_are_told(
    forest: Forest, desk: Desk, new_person: NewPerson, guid_of: GuidOf, rights: Callable[[str], None]
) -> None:
    person = new_person(Kind.LOCKED)
    version = api.password_version(forest, person.account)
    rights("write-lockout-time")
    order = desk.order(guid_of(person.account), Operation.RESET, NEW, unlock=True)
    assert desk.do(order).code is OutcomeCode.PERMISSION
    assert desk.story(order) == ["31001", "33004", "33006", "31003"]
    assert api.password_version(forest, person.account) == version


def test_without_the_right_to_unexpire_the_write_is_told_as_done_with_what_is_wrong(
    forest: Forest, desk: Desk, new_person: NewPerson, guid_of: GuidOf, rights: Callable[[str], None]
) -> None:
    person = new_person(Kind.ORDINARY)
    rights("unexpire-password")
    order = desk.order(guid_of(person.account), Operation.RESET, NEW)
    outcome = desk.do(order)
    assert outcome.code is OutcomeCode.DONE
    expired = api.kinit(forest, person.account, NEW) is SignIn.PASSWORD_EXPIRED
    assert ("Unexpire Password" in outcome.detail) == expired
    assert ("42021" in desk.story(order)) == expired
    assert ([one.code for one in outcome.findings] == ["still_expired"]) == expired


def test_a_password_that_moved_since_the_inspection_is_left_alone(
    forest: Forest, desk: Desk, new_person: NewPerson, guid_of: GuidOf
) -> None:
    person = new_person(Kind.ORDINARY)
    guid = guid_of(person.account)
    seen = desk.do(desk.order(guid, Operation.INSPECT)).inspection
    assert seen is not None
    api.set_password(forest, person.account, "Changed-By-0thers")
    order = desk.order(guid, Operation.RESET, NEW, password_version=seen.password_version)
    assert desk.do(order).code is OutcomeCode.STALE
    assert api.kinit(forest, person.account, "Changed-By-0thers") is SignIn.OK


def test_without_a_grant_nothing_is_sent_and_nothing_told(
    forest: Forest, desk: Desk, new_person: NewPerson, guid_of: GuidOf
) -> None:
    person = new_person(Kind.ORDINARY)
    version = api.password_version(forest, person.account)
    desk.granted = False
    order = desk.order(guid_of(person.account), Operation.RESET, NEW)
    desk.agent.carry_out(order.work())
    assert desk.outcomes == []
    assert desk.story(order) == ["31001", "42022"]
    assert api.password_version(forest, person.account) == version


def test_a_grant_that_has_run_out_is_not_used(
    forest: Forest, desk: Desk, new_person: NewPerson, guid_of: GuidOf
) -> None:
    person = new_person(Kind.ORDINARY)
    version = api.password_version(forest, person.account)
    desk.grant_ms = 0
    assert desk.do(desk.order(guid_of(person.account), Operation.RESET, NEW)).code is OutcomeCode.NOT_WRITTEN
    assert api.password_version(forest, person.account) == version


def test_past_its_cap_an_operation_stops_until_it_is_resumed(
    forest: Forest, tmp_path: Path, new_person: NewPerson, guid_of: GuidOf
) -> None:
    desk = Desk(forest, tmp_path / "capped", limits=Limits(operations=frozenset({Operation.RESET}), per_hour=1))
    try:
        person = new_person(Kind.ORDINARY)
        guid = guid_of(person.account)
        assert desk.do(desk.order(guid, Operation.RESET, NEW)).code is OutcomeCode.DONE
        second = desk.order(guid, Operation.RESET, "Another-0ne-Entirely")
        assert desk.do(second).code is OutcomeCode.CAPPED
        assert desk.story(second) == ["31001", "42011", "31003"]
        desk.close()
        desk.start()  # the cap survives a restart
        assert desk.do(desk.order(guid, Operation.RESET, "Another-0ne-Entirely")).code is OutcomeCode.CAPPED
        assert desk.journal.resume(desk.clock.now()) == [Operation.RESET]
        assert desk.do(desk.order(guid, Operation.RESET, "Another-0ne-Entirely")).code is OutcomeCode.DONE
    finally:
        desk.close()


def test_an_operation_that_the_agents_own_file_does_not_list_is_refused(
    forest: Forest, tmp_path: Path, guid_of: GuidOf
) -> None:
    desk = Desk(forest, tmp_path / "inspecting", limits=Limits(operations=frozenset({Operation.INSPECT})))
    try:
        order = desk.order(guid_of("ada"), Operation.RESET, NEW)
        assert desk.do(order).code is OutcomeCode.NOT_ALLOWED
        assert desk.story(order) == ["31001", "42010", "31003"]
    finally:
        desk.close()


def test_the_older_controller_without_the_control_is_told_before_anything_is_sent(
    older_forest: Forest, tmp_path: Path
) -> None:
    desk = Desk(older_forest, tmp_path / "older")
    try:
        guid = _guid(older_forest, "grace")
        assert desk.do(desk.order(guid, Operation.INSPECT)).code is OutcomeCode.CONTROL_MISSING
        changing = desk.order(guid, Operation.INSPECT, inspect_for=Operation.CHANGE)
        assert desk.do(changing).code is OutcomeCode.DONE  # the directory's own rules hold for changes without it
        order = desk.order(guid, Operation.RESET, NEW)
        assert desk.do(order).code is OutcomeCode.CONTROL_MISSING
        assert desk.story(order) == ["31001", "6329", "33009", "31003"]
        assert api.kinit(older_forest, "grace", INITIAL_PASSWORD) is SignIn.OK
    finally:
        desk.close()


def test_a_controller_that_is_down_is_passed_over(
    forest: Forest, desk: Desk, new_person: NewPerson, guid_of: GuidOf
) -> None:
    person = new_person(Kind.ORDINARY)
    desk.close()
    desk.start(servers=["ldaps://127.0.0.1:9", forest.ldaps_url])  # type: ignore[arg-type]  # a list, as TOML gives it
    assert desk.do(desk.order(guid_of(person.account), Operation.RESET, NEW)).code is OutcomeCode.DONE


def test_a_directory_that_is_down_is_told_as_unreachable(desk: Desk, guid_of: GuidOf) -> None:
    desk.close()
    desk.start(servers=["ldaps://127.0.0.1:9"])  # type: ignore[arg-type]  # a list, as TOML gives it
    order = desk.order(guid_of("ada"), Operation.RESET, NEW)
    assert desk.do(order).code is OutcomeCode.UNREACHABLE
    assert desk.story(order) == ["31001", "42014", "31003"]


def _guid(forest: Forest, account: str) -> UUID:
    from keyback.directory import DirectoryServer, connect, find_account

    password = forest.service_password_file.read_text()
    with connect(DirectoryServer(forest.ldaps_url, forest.ca_file, forest.service_dn, password)) as connection:
        return find_account(connection, account)
