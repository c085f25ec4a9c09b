"""Sign-in passed through to the directory: every answer it has, and no more tries than the account can bear."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from tests.lab.agent.desk import Desk, Order

from keyback.agent.config import Limits
from keyback.agent.forests import Forest as AgentForest
from keyback.directory import DirectoryServer, Verdict, connect, find_account, read_account, verify_password
from keyback.directory.kerberos import Answer, ask_kerberos
from keyback.protocol.messages import Operation
from keyback.protocol.outcomes import OutcomeCode
from lab import Forest, api
from lab.people import INITIAL_PASSWORD, Kind, Person

pytestmark = pytest.mark.lab

WRONG = "Not-The-Pa55word"
GuidOf = Callable[[str], UUID]
NewPerson = Callable[..., Person]


@pytest.fixture
def sign_in(desk: Desk, guid_of: GuidOf) -> Callable[..., Order]:
    def order(person: Person, password: str = INITIAL_PASSWORD) -> Order:
        return desk.order(guid_of(person.account), Operation.VERIFY, current=password)

    return order


@pytest.mark.parametrize(
    ("kind", "code", "events"),
    [
        (Kind.ORDINARY, OutcomeCode.DONE, ["42007", "42008"]),
        (Kind.NEVER_EXPIRES, OutcomeCode.DONE, ["42007", "42008"]),
        (Kind.CANNOT_CHANGE, OutcomeCode.DONE, ["42007", "42008"]),
        (Kind.PASSWORD_EXPIRED, OutcomeCode.PASSWORD_EXPIRED, ["42007", "42008"]),
        (Kind.MUST_CHANGE, OutcomeCode.MUST_CHANGE, ["42007", "42008"]),
        (Kind.DISABLED, OutcomeCode.DISABLED, ["42007", "33005", "42009"]),
        (Kind.EXPIRED, OutcomeCode.ACCOUNT_EXPIRED, ["42007", "33009", "42009"]),
        (Kind.LOCKED, OutcomeCode.LOCKED_OUT, ["42007", "33006", "42009"]),
        (Kind.UNKNOWN_PASSWORD, OutcomeCode.CURRENT_WRONG, ["42007", "33007", "42009"]),
    ],
)
def test_each_state_of_an_account_has_its_answer(
    desk: Desk, new_person: NewPerson, sign_in: Callable[..., Order], kind: Kind, code: OutcomeCode, events: list[str]
) -> None:
    order = sign_in(new_person(kind))
    assert desk.do(order).code is code
    assert desk.story(order) == events
    assert desk.intents == []


@pytest.mark.parametrize("kind", [Kind.MUST_CHANGE, Kind.DISABLED, Kind.EXPIRED])
def test_to_a_wrong_password_every_state_looks_the_same(
    desk: Desk, new_person: NewPerson, sign_in: Callable[..., Order], kind: Kind
) -> None:
    outcome = desk.do(sign_in(new_person(kind), WRONG))
    assert (outcome.code, outcome.detail, outcome.findings) == (OutcomeCode.CURRENT_WRONG, "data 52e", [])


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ({"logonHours": bytes(21)}, OutcomeCode.SIGN_IN_HOURS),
        ({"userWorkstations": "elsewhere"}, OutcomeCode.WORKSTATION),
    ],
    ids=["hours", "workstation"],
)
def test_a_right_password_at_the_wrong_time_or_place_is_told_as_such(
    forest: Forest,
    desk: Desk,
    new_person: NewPerson,
    sign_in: Callable[..., Order],
    attributes: dict[str, bytes | str],
    code: OutcomeCode,
) -> None:
    person = new_person()
    api.set_attributes(forest, person.account, attributes)
    order = sign_in(person)
    assert desk.do(order).code is code
    assert desk.story(order) == ["42007", "33009", "42009"]
    assert desk.do(sign_in(person, WRONG)).code is OutcomeCode.CURRENT_WRONG


def test_the_password_before_a_reset_is_wrong_although_it_still_binds(
    forest: Forest, desk: Desk, new_person: NewPerson, sign_in: Callable[..., Order]
) -> None:
    person = new_person()
    api.set_password(forest, person.account, "Brand-New-Pa55word")
    assert api.bind(forest, person.account, INITIAL_PASSWORD) == ""
    assert desk.do(sign_in(person)).code is OutcomeCode.CURRENT_WRONG
    assert desk.do(sign_in(person, "Brand-New-Pa55word")).code is OutcomeCode.DONE


def test_the_password_before_a_temporary_one_is_wrong_too(
    forest: Forest, desk: Desk, new_person: NewPerson, sign_in: Callable[..., Order]
) -> None:
    person = new_person()
    api.set_password(forest, person.account, "Brand-New-Pa55word", must_change=True)
    assert desk.do(sign_in(person)).code is OutcomeCode.CURRENT_WRONG
    assert desk.do(sign_in(person, "Brand-New-Pa55word")).code is OutcomeCode.MUST_CHANGE


def test_an_empty_password_is_never_tried(desk: Desk, guid_of: GuidOf) -> None:
    order = desk.order(guid_of("wilhelm"), Operation.VERIFY, current="")  # who has none
    assert desk.do(order).code is OutcomeCode.UNOPENABLE


@pytest.mark.parametrize("account", ["margaret", "svc-keyback", "oskar"])
def test_nobody_guesses_the_passwords_of_protected_accounts_here(desk: Desk, guid_of: GuidOf, account: str) -> None:
    outcome = desk.do(desk.order(guid_of(account), Operation.VERIFY, current=INITIAL_PASSWORD))
    assert outcome.code in (OutcomeCode.PROTECTED, OutcomeCode.OUT_OF_SCOPE)


def test_sign_ins_and_changes_together_spend_half_of_the_threshold(
    forest: Forest,
    desk: Desk,
    new_person: NewPerson,
    guid_of: GuidOf,
    sign_in: Callable[..., Order],
    policy: Callable[..., None],
) -> None:
    policy(lockout_threshold=4)
    person = new_person()
    assert desk.do(sign_in(person, WRONG)).code is OutcomeCode.CURRENT_WRONG
    change = desk.order(guid_of(person.account), Operation.CHANGE, "Wholly-New-Pa55word", current=WRONG)
    assert desk.do(change).code is OutcomeCode.CURRENT_WRONG
    desk.close()
    desk.start()  # what was spent survives a restart
    order = sign_in(person)
    assert desk.do(order).code is OutcomeCode.TRIES_SPENT
    assert desk.story(order) == ["42007", "42023", "42009"]
    assert api.bind(forest, person.account, WRONG) == "52e"
    assert api.bind(forest, person.account, INITIAL_PASSWORD) == ""


def test_what_others_have_spent_counts_as_well(
    forest: Forest, desk: Desk, new_person: NewPerson, sign_in: Callable[..., Order], policy: Callable[..., None]
) -> None:
    policy(lockout_threshold=4)
    person = new_person()
    for _ in range(2):
        api.bind(forest, person.account, WRONG)
    assert desk.do(sign_in(person)).code is OutcomeCode.TRIES_SPENT


def test_a_right_password_costs_nothing_and_forgives_those_before(
    desk: Desk, new_person: NewPerson, sign_in: Callable[..., Order], policy: Callable[..., None]
) -> None:
    policy(lockout_threshold=4)
    person = new_person()
    for _ in range(3):
        assert desk.do(sign_in(person, WRONG)).code is OutcomeCode.CURRENT_WRONG
        assert desk.do(sign_in(person)).code is OutcomeCode.DONE


def test_where_one_failure_locks_the_account_nothing_is_tried(
    desk: Desk, new_person: NewPerson, sign_in: Callable[..., Order], policy: Callable[..., None]
) -> None:
    policy(lockout_threshold=1)
    assert desk.do(sign_in(new_person())).code is OutcomeCode.TRIES_SPENT


def test_many_wrong_passwords_stop_sign_ins_on_this_agent_until_it_is_resumed(
    desk: Desk, new_person: NewPerson, sign_in: Callable[..., Order]
) -> None:
    desk.close()
    desk.limits = Limits(operations=frozenset({Operation.VERIFY}), per_hour=2)
    desk.start()
    ordinary, targets = new_person(), [new_person() for _ in range(3)]
    for _ in range(4):
        assert desk.do(sign_in(ordinary)).code is OutcomeCode.DONE  # right ones are not counted
    codes = [desk.do(sign_in(target, WRONG)).code for target in targets]
    assert codes == [OutcomeCode.CURRENT_WRONG, OutcomeCode.CURRENT_WRONG, OutcomeCode.CAPPED]
    assert desk.do(sign_in(ordinary)).code is OutcomeCode.CAPPED
    desk.journal.resume(desk.clock.now())
    assert desk.do(sign_in(ordinary)).code is OutcomeCode.DONE


@pytest.mark.parametrize("each", [60, pytest.param(500, marks=pytest.mark.scale)])
def test_wrong_sign_ins_at_once_through_two_agents_leave_half_of_the_threshold_however_many_they_are(
    forest: Forest,
    tmp_path: Path,
    new_person: NewPerson,
    guid_of: GuidOf,
    policy: Callable[..., None],
    each: int,
) -> None:
    policy(lockout_threshold=10)
    person = new_person()
    guid = guid_of(person.account)
    agents = [Desk(forest, tmp_path / name) for name in ("one", "two")]  # each with a journal of its own
    try:
        for desk in agents:
            orders = [desk.order(guid, Operation.VERIFY, current=f"Wrong-{number}-Pa55") for number in range(each)]
            with ThreadPoolExecutor(8) as strangers:
                list(strangers.map(lambda order, to=desk: to.agent.carry_out(order.work()), orders))
            counted = int(api.get_attributes(forest, person.account, "badPwdCount")["badPwdCount"][0])
            assert 1 <= counted <= 5
            codes = Counter(outcome.code for outcome in desk.outcomes)
            assert sum(codes.values()) == each
            assert set(codes) <= {OutcomeCode.CURRENT_WRONG, OutcomeCode.TRIES_SPENT}
    finally:
        for desk in agents:
            desk.close()
    assert [api.bind(forest, person.account, WRONG) for _ in range(4)] == ["52e"] * 4  # the person's own typing errors
    assert api.bind(forest, person.account, INITIAL_PASSWORD) == ""


# --- where Kerberos cannot be reached


@pytest.fixture
def without_kerberos(desk: Desk) -> Desk:
    forest = desk.agent_forest
    servers = [replace(server, kerberos_port=9) for server in forest.config.servers_with_password()]
    desk.close()
    desk.start()
    desk.agent_forest.close()
    desk.agent_forest = AgentForest(forest.config, servers, desk.protected, 4)
    desk.agent._forests = {forest.name: desk.agent_forest}
    return desk


def test_within_an_hour_of_a_change_nobody_can_tell_without_kerberos(
    without_kerberos: Desk, new_person: NewPerson, guid_of: GuidOf
) -> None:
    desk = without_kerberos
    order = desk.order(guid_of(new_person().account), Operation.VERIFY, current=INITIAL_PASSWORD)
    assert desk.do(order).code is OutcomeCode.UNREACHABLE
    assert desk.story(order) == ["42007", "42014", "42009"]


def test_an_hour_after_a_change_a_bind_tells(forest: Forest, new_person: NewPerson) -> None:
    person = new_person()
    server = DirectoryServer(
        forest.ldaps_url,
        forest.ca_file,
        forest.service_dn,
        forest.service_password_file.read_text(),
        kerberos_port=9,
    )
    with connect(server) as connection:
        account = read_account(connection, find_account(connection, person.account))
        later = connection.server_time() + timedelta(minutes=61)
    tried: list[str] = []

    def answers(password: str) -> Verdict:
        return verify_password(
            server, account, password, now=later, before_each_try=lambda: tried.append(password)
        ).verdict

    assert answers(INITIAL_PASSWORD) is Verdict.RIGHT
    assert answers(WRONG) is Verdict.WRONG
    assert len(tried) == 4  # what was silent may have counted


@pytest.mark.parametrize("password", ["Initial-Pa55word!\nBrand-New-1\nBrand-New-1\n", "tab\there", "nul\0"])
def test_a_password_of_several_lines_never_reaches_kinit(forest: Forest, new_person: NewPerson, password: str) -> None:
    person = new_person(Kind.MUST_CHANGE)
    version = api.password_version(forest, person.account)
    server = DirectoryServer(
        forest.ldaps_url, forest.ca_file, forest.service_dn, forest.service_password_file.read_text()
    )
    with connect(server) as connection:
        account = read_account(connection, find_account(connection, person.account))
    assert ask_kerberos(server, account, password) is Answer.SILENT
    assert api.password_version(forest, person.account) == version


def test_any_password_that_can_be_typed_is_asked_for(
    forest: Forest, desk: Desk, new_person: NewPerson, sign_in: Callable[..., Order]
) -> None:
    person = new_person()
    password = " Zwölf-Öfen\N{NO-BREAK SPACE}'\"$(id)\\ 😀 "
    api.set_password(forest, person.account, password)
    assert desk.do(sign_in(person, password)).code is OutcomeCode.DONE
    assert desk.do(sign_in(person, password.strip(" "))).code is OutcomeCode.CURRENT_WRONG


@pytest.mark.parametrize("name", ["-V", "o'neil jörg"])
def test_any_account_name_is_asked_for(forest: Forest, desk: Desk, new_person: NewPerson, name: str) -> None:
    person = new_person()
    guid = UUID(bytes_le=api.get_attributes(forest, person.account, "objectGUID")["objectGUID"][0])
    api.set_attributes(forest, person.account, {"sAMAccountName": name})
    try:
        assert desk.do(desk.order(guid, Operation.VERIFY, current=INITIAL_PASSWORD)).code is OutcomeCode.DONE
        assert desk.do(desk.order(guid, Operation.VERIFY, current=WRONG)).code is OutcomeCode.CURRENT_WRONG
    finally:
        api.set_attributes(forest, name, {"sAMAccountName": person.account})
