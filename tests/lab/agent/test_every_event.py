"""Every event that administrators know from Microsoft's writeback, by its real cause.

`CAUSES` are brought about here, on one forest: the events, in their order, with number, source, level and tracking id;
the support code that the person gets; and the printed repair, which is then carried out and mends it. `PROVOKED` names
the tests that bring about the others, in the processes that they are about.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from click.testing import CliRunner
from tests.lab.agent.desk import Desk, Order
from tests.support.onboarded import onboarded
from tests.support.twisted_controller import Answer, twisted

from keyback.agent.build import parts
from keyback.agent.catalogue import Kind, Source
from keyback.agent.config import AgentConfig, ServicePasswordTooLong
from keyback.agent.events import read_events
from keyback.agent.files import make_private_directory, write_private
from keyback.agent.keys import KeyStore
from keyback.cli.agent import agent as commands
from keyback.protocol.messages import Operation
from keyback.protocol.outcomes import SUCCESSES, sspr_code
from lab import Forest, api
from lab.people import INITIAL_PASSWORD, Person
from lab.people import Kind as Who

pytestmark = pytest.mark.lab

NEW = "Wholly-New-Pa55word"
GuidOf = Callable[[str], UUID]
NewPerson = Callable[..., Person]
VIOLATION, ADMINISTRATOR, CONNECTIVITY = "OnPremisesPolicyViolation", "SSPR_0029", "SSPR_0030"


@dataclass
class Scene:
    """One person and one agent. ``new`` and ``current``: what the next request carries."""

    forest: Forest
    desk: Desk
    folder: Path
    account: str
    guid: UUID
    operation: Operation
    initiator: str = "self"
    new: str = NEW
    current: str = INITIAL_PASSWORD

    def order(self) -> Order:
        current = self.current if self.operation is Operation.CHANGE else None
        unlock = self.operation is Operation.RESET
        return self.desk.order(
            self.guid, self.operation, self.new, current=current, unlock=unlock, initiator=self.initiator
        )

    def restart(self, **replaced: object) -> None:
        self.desk.close()
        self.desk.start(**replaced)  # type: ignore[arg-type]  # as TOML gives them


Arrange = Callable[[Scene], AbstractContextManager[None]]


@dataclass(frozen=True)
class Cause:
    """``between``: the events after the start and before the failure. Leaving ``arrange`` is the repair."""

    between: list[Kind]
    sspr: str
    arrange: Arrange
    who: Who = Who.ORDINARY
    operation: Operation = Operation.RESET
    by: str = "self"
    printed: list[str] = field(default_factory=list)


_AROUND = {
    (Operation.RESET, "self"): (Kind.RESET_START, Kind.RESET_SUCCESS, Kind.RESET_FAIL),
    (Operation.RESET, "admin"): (Kind.ADMIN_RESET_START, Kind.ADMIN_RESET_SUCCESS, Kind.ADMIN_RESET_FAIL),
    (Operation.CHANGE, "self"): (Kind.CHANGE_START, Kind.CHANGE_SUCCESS, Kind.CHANGE_FAIL),
}


def typed(**passwords: str) -> Arrange:
    """These instead of the good ones."""

    @contextmanager
    def arrange(scene: Scene) -> Iterator[None]:
        good = {name: getattr(scene, name) for name in passwords}
        vars(scene).update(passwords)
        yield
        vars(scene).update(good)

    return arrange


def account_with(before: dict[str, int], mended: dict[str, int | None]) -> Arrange:
    @contextmanager
    def arrange(scene: Scene) -> Iterator[None]:
        api.set_attributes(scene.forest, scene.account, before)
        yield
        api.set_attributes(scene.forest, scene.account, mended)

    return arrange


@contextmanager
def without_the_right(scene: Scene) -> Iterator[None]:
    api.remove_right(scene.forest, "reset-password")
    try:
        yield
    finally:  # whatever is asserted meanwhile: the forest is everybody's
        api.restore_rights(scene.forest)


@contextmanager
def denied_on_the_person(scene: Scene) -> Iterator[None]:
    api.set_inheritance(scene.forest, scene.account, inherits=False)
    yield
    api.set_inheritance(scene.forest, scene.account, inherits=True)


@contextmanager
def locked_out(scene: Scene) -> Iterator[None]:
    api.lock_out(scene.forest, scene.account)
    yield
    scene.desk.do(scene.desk.order(scene.guid, Operation.UNLOCK))


@contextmanager
def lock_that_cannot_be_cleared(scene: Scene) -> Iterator[None]:
    api.lock_out(scene.forest, scene.account)
    api.remove_right(scene.forest, "write-lockout-time")
    try:
        yield
    finally:  # whatever is asserted meanwhile: the forest is everybody's
        api.restore_rights(scene.forest)


@contextmanager
def out_of_scope(scene: Scene) -> Iterator[None]:
    scene.restart(base_dns=[f"OU=Outside,{scene.forest.base_dn}"])
    yield
    scene.restart()


@contextmanager
def wrong_service_password(scene: Scene) -> Iterator[None]:
    wrong = scene.folder / "wrong"
    write_private(wrong, b"Not-The-Passw0rd")
    scene.restart(password_file=str(wrong))
    yield
    scene.restart()


@contextmanager
def untrusted_controller(scene: Scene) -> Iterator[None]:
    with twisted(scene.forest, scene.folder / "twisted") as controller:
        scene.restart(servers=[controller.url])  # and the forest's own authority, which did not vouch for it
        yield
        scene.restart(servers=[controller.url], ca_file=str(controller.ca_file))
    scene.restart()


def answered(result: int, text: str) -> Arrange:
    @contextmanager
    def arrange(scene: Scene) -> Iterator[None]:
        with twisted(scene.forest, scene.folder / "twisted") as controller:
            controller.answer = Answer(result, text)
            scene.restart(servers=[controller.url], ca_file=str(controller.ca_file))
            yield
        scene.restart()

    return arrange


@contextmanager
def swapped_keys(scene: Scene) -> Iterator[None]:
    """The page seals for a key whose private half this agent does not have."""
    folder = scene.folder / "other keys"
    make_private_directory(folder)
    scene.desk.seals_for = KeyStore.create(folder, timedelta(days=1), scene.desk.clock.now())
    yield
    scene.desk.seals_for = scene.desk.keys


@contextmanager
def a_mistake_of_ours(scene: Scene) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scene.desk.agent_forest.policies, "effective", lambda *_: 1 // 0)
        yield


too_short = typed(new="Sh0r-t")
used_before = typed(new=INITIAL_PASSWORD)
wrong_current = typed(current="Not-The-Pa55word")
protected = account_with({"adminCount": 1}, {"adminCount": None})
disabled = account_with({"userAccountControl": 0x202}, {"userAccountControl": 0x200})
account_expired = account_with({"accountExpires": 1}, {"accountExpires": 0})

CAUSES = {
    "too short": Cause([Kind.POLICY], VIOLATION, too_short, printed=["Choose another"]),
    "history": Cause([Kind.DIRECTORY_POLICY, Kind.POLICY], VIOLATION, used_before, printed=["As for 33008."]),
    "too short, by an administrator": Cause([Kind.POLICY], VIOLATION, too_short, by="admin"),
    "history, in a change": Cause(
        [Kind.POLICY], VIOLATION, used_before, operation=Operation.CHANGE, printed=["Choose another"]
    ),
    "Windows says 52D": Cause(
        [Kind.DIRECTORY_POLICY, Kind.POLICY],
        VIOLATION,
        answered(19, "0000052D: Constraint violation - check_password_restrictions"),
    ),
    "wrong current password": Cause(
        [Kind.CURRENT_WRONG], VIOLATION, wrong_current, operation=Operation.CHANGE, printed=["Enter the right one."]
    ),
    "no right": Cause([Kind.PERMISSIONS], ADMINISTRATOR, without_the_right, printed=["Grant the right", "an hour"]),
    "no inheritance": Cause([Kind.PERMISSIONS], ADMINISTRATOR, denied_on_the_person, printed=["inheritance on"]),
    "protected": Cause([Kind.PERMISSIONS], ADMINISTRATOR, protected, printed=["on purpose"]),
    "disabled": Cause([Kind.DISABLED], ADMINISTRATOR, disabled, printed=["Enable it"]),
    "locked out, in a change": Cause(
        [Kind.LOCKED_OUT], ADMINISTRATOR, locked_out, operation=Operation.CHANGE, printed=["Unlock it"]
    ),
    "a lock that cannot be cleared": Cause(
        [Kind.PERMISSIONS, Kind.LOCKED_OUT], ADMINISTRATOR, lock_that_cannot_be_cleared, printed=["write lockoutTime"]
    ),
    "account expired": Cause([Kind.DIRECTORY_CONFIGURATION], ADMINISTRATOR, account_expired),
    "out of scope": Cause([Kind.USER_NOT_FOUND], ADMINISTRATOR, out_of_scope, printed=["check base_dns"]),
    "service password": Cause(
        [Kind.CREDENTIALS_DENIED, Kind.DIRECTORY_CONFIGURATION],
        ADMINISTRATOR,
        wrong_service_password,
        printed=["Correct bind_dn and the password file"],
    ),
    "untrusted certificate": Cause([Kind.DIRECTORY_CONFIGURATION], ADMINISTRATOR, untrusted_controller),
    "unwilling": Cause(
        [Kind.DIRECTORY_CONFIGURATION],
        ADMINISTRATOR,
        answered(53, "0000001F: SvcErr: DSID-031A1236, problem 5003 (WILL_NOT_PERFORM)"),
        printed=["Read the message"],
    ),
    "an unknown answer": Cause(
        [Kind.DIRECTORY_UNFORESEEN], ADMINISTRATOR, answered(80, "000020EF: odd"), printed=["directory's message"]
    ),
    "swapped keys": Cause([Kind.UNOPENABLE], ADMINISTRATOR, swapped_keys, printed=["Try again"]),
    "a mistake of ours": Cause([Kind.UNKNOWN_ERROR], ADMINISTRATOR, a_mistake_of_ours, printed=["tracking id"]),
}


@pytest.fixture
def scene(
    forest: Forest, desk: Desk, tmp_path: Path, guid_of: GuidOf, new_person: NewPerson
) -> Callable[[Cause], Scene]:
    def make(cause: Cause) -> Scene:
        person = new_person(cause.who)
        by = "self" if cause.by == "self" else f"admin:{UUID(int=7)}"
        return Scene(forest, desk, tmp_path, person.account, guid_of(person.account), cause.operation, by)

    return make


@pytest.mark.parametrize("name", CAUSES)
def test_a_cause_writes_its_events_gives_its_code_and_the_printed_repair_mends_it(
    scene: Callable[[Cause], Scene], name: str
) -> None:
    cause = CAUSES[name]
    play = scene(cause)
    start, success, failure = _AROUND[cause.operation, cause.by]
    with cause.arrange(play):
        order = play.order()
        outcome = play.desk.do(order)
        assert sspr_code(outcome.code) == cause.sspr, outcome
        told = play.desk.events(order)
        expected = [start, *cause.between, failure]
        assert [(event.id, event.name, event.source, event.level) for event in told] == [
            (kind.value.id, kind.value.name, kind.value.source, kind.value.level) for kind in expected
        ], [event.message for event in told]
        assert {event.tracking_id for event in told} == {order.tracking_id}
        assert [event.fields.get("hr") for event in told] == [kind.value.hr or None for kind in expected]
        for kind in cause.between:
            said = CliRunner().invoke(commands, ["explain", kind.value.name]).output
            assert kind.value.repair in said
        printed = " ".join(kind.value.repair for kind in cause.between)
        assert [words for words in cause.printed if words not in printed] == []
    order = play.order()
    outcome = play.desk.do(order)
    assert outcome.code in SUCCESSES, outcome
    assert play.desk.story(order) == [start.value.id, success.value.id]


# --- those that are about no single account


def test_an_outcome_that_the_portal_does_not_hear_is_32001_and_told_when_it_is_back(
    desk: Desk, new_person: NewPerson, guid_of: GuidOf
) -> None:
    order = desk.order(guid_of(new_person().account), Operation.UNLOCK)
    desk.reachable = False
    desk.agent.carry_out(order.work())
    assert desk.story(order) == ["42001", "42002"]
    assert desk.events()[-1].id == "32001"
    desk.reachable = True
    assert desk.agent.catch_up()
    assert [outcome.request_id for outcome in desk.outcomes] == [order.envelope.request_id]


def test_a_malformed_request_is_32003_and_a_good_one_is_done(
    desk: Desk, new_person: NewPerson, guid_of: GuidOf
) -> None:
    guid = guid_of(new_person().account)
    bent = desk.order(guid, Operation.UNLOCK)
    bent.signature = bytes(64)
    assert sspr_code(desk.do(bent).code) == ADMINISTRATOR
    assert desk.story(bent) == ["32003"]
    assert desk.do(desk.order(guid, Operation.UNLOCK)).code in SUCCESSES


def test_a_service_password_of_more_than_256_characters_is_800700ce_and_a_shorter_one_is_taken(
    forest: Forest, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    config = AgentConfig.model_validate(
        {
            "portal": "http://127.0.0.1:9",
            "state_dir": str(tmp_path / "state"),
            "forest": [
                {
                    "name": forest.dns_domain,
                    "domains": [forest.dns_domain],
                    "servers": [forest.ldaps_url],
                    "ca_file": str(forest.ca_file),
                    "bind_dn": forest.service_dn,
                    "password_file": str(secret),
                    "base_dns": [forest.people_dn],
                }
            ],
        }
    )
    onboarded(config)
    write_private(secret, b"x" * 257)
    with pytest.raises(ServicePasswordTooLong), parts(config):
        pass
    last = list(read_events(config.state_dir))[-1]
    assert (last.id, last.source, last.level) == ("800700CE", Source.SYNC, "error")
    write_private(secret, b"x" * 256)
    with parts(config) as made:
        assert list(made.forests) == [forest.dns_domain]


PROVOKED = {
    Kind.ONBOARDING_START: "tests/lab/agent/test_service.py::test_onboarding_tells_its_events_in_order",
    Kind.ONBOARDING_SUCCESS: "tests/lab/agent/test_service.py::test_onboarding_tells_its_events_in_order",
    Kind.AUTH_TOKEN_SUCCESS: "tests/lab/agent/test_service.py::test_onboarding_tells_its_events_in_order",
    Kind.KEY_PAIR_CREATED: "tests/lab/agent/test_service.py::test_onboarding_tells_its_events_in_order",
    Kind.OFFBOARDING_START: "tests/lab/agent/test_writeback_switch.py::test_off_and_on_while_the_agent_runs",
    Kind.OFFBOARDING_SUCCESS: "tests/lab/agent/test_writeback_switch.py::test_off_and_on_while_the_agent_runs",
    Kind.OFFBOARDING_FAIL: "tests/lab/agent/test_writeback_switch.py::"
    "test_leaving_without_a_portal_destroys_nothing_and_an_agent_that_left_holds_no_key",
    Kind.OFFBOARDING_UNREACHABLE: "tests/lab/agent/test_writeback_switch.py::"
    "test_leaving_without_a_portal_destroys_nothing_and_an_agent_that_left_holds_no_key",
    Kind.SERVICE_STARTED: "tests/lab/agent/test_service.py::"
    "test_it_starts_synchronises_beats_and_stops_when_it_is_told_to",
    Kind.SERVICE_STOPPED: "tests/lab/agent/test_service.py::"
    "test_it_starts_synchronises_beats_and_stops_when_it_is_told_to",
    Kind.HEARTBEAT: "tests/lab/agent/test_service.py::test_it_starts_synchronises_beats_and_stops_when_it_is_told_to",
    Kind.LISTENER_ERROR: "tests/lab/agent/test_link_events.py::"
    "test_a_portal_that_is_not_trusted_is_31034_and_trusting_it_mends_it",
    Kind.LISTENER_MISSING: "tests/lab/agent/test_link_events.py::"
    "test_a_portal_that_is_not_trusted_is_31034_and_trusting_it_mends_it",
    Kind.PORTAL_UNREACHABLE: "tests/lab/agent/test_every_event.py::"
    "test_an_outcome_that_the_portal_does_not_hear_is_32001_and_told_when_it_is_back",
    Kind.RELAY_UNREACHABLE: "tests/lab/agent/test_service.py::"
    "test_it_starts_without_a_portal_and_works_when_there_is_one",
    Kind.RELAY_RETRIED: "tests/lab/agent/test_service.py::test_it_starts_without_a_portal_and_works_when_there_is_one",
    Kind.HEARTBEAT_FAILED: "tests/lab/agent/test_service.py::"
    "test_it_starts_without_a_portal_and_works_when_there_is_one",
    Kind.INVALID_REQUEST: "tests/lab/agent/test_every_event.py::"
    "test_a_malformed_request_is_32003_and_a_good_one_is_done",
    Kind.CONFIGURATION_ERROR: "tests/lab/agent/test_service.py::"
    "test_damaged_files_stop_the_start_with_one_line_and_an_event",
    Kind.CRYPTO_ERROR: "tests/lab/agent/test_service.py::test_damaged_files_stop_the_start_with_one_line_and_an_event",
    Kind.ONBOARDING_NOT_STORED: "tests/lab/agent/test_service.py::"
    "test_an_answer_that_cannot_be_stored_is_32007_and_a_fresh_code_mends_it",
    Kind.INVALID_ANSWER: "tests/lab/agent/test_link_events.py::"
    "test_an_answer_that_somebody_altered_is_32008_and_the_portals_own_is_taken",
    Kind.AUTH_REFUSED: "tests/lab/agent/test_service.py::test_a_wrong_code_is_refused_in_one_line",
    Kind.ONBOARDING_UNREACHABLE: "tests/lab/agent/test_service.py::test_without_a_portal_onboarding_says_so",
    Kind.AMBIGUOUS: "tests/lab/agent/test_sync.py::"
    "test_one_anchor_on_two_enabled_accounts_is_told_and_neither_is_written",
    Kind.DUPLICATE_ANCHOR: "tests/lab/agent/test_sync.py::"
    "test_one_anchor_on_two_enabled_accounts_is_told_and_neither_is_written",
    Kind.CONTROL_MISSING: "tests/lab/agent/test_reset.py::"
    "test_the_older_controller_without_the_control_is_told_before_anything_is_sent",
    Kind.FOREST_UNKNOWN: "tests/lab/agent/test_writeback_switch.py::"
    "test_a_forest_added_later_answers_6329_until_writeback_was_off_and_on",
    Kind.CREDENTIAL_TOO_LONG: "tests/lab/agent/test_every_event.py::"
    "test_a_service_password_of_more_than_256_characters_is_800700ce_and_a_shorter_one_is_taken",
    Kind.ENDPOINT_FAILED: "tests/lab/agent/test_writeback_switch.py::"
    "test_keys_that_cannot_be_read_answer_6800_and_synchronisation_goes_on",
    Kind.SYNC_START: "tests/lab/agent/test_service.py::test_a_run_brings_a_new_person_and_takes_a_deleted_one_away",
    Kind.SYNC_RESULT: "tests/lab/agent/test_service.py::test_a_run_brings_a_new_person_and_takes_a_deleted_one_away",
}
"""The test that brings about each event that `CAUSES` does not."""


def test_every_known_event_is_brought_about_by_a_test() -> None:
    here = {kind for cause in CAUSES.values() for kind in cause.between}
    here |= {kind for around in _AROUND.values() for kind in around}
    known = {kind for kind in Kind if kind.value.source in (Source.RESET, Source.SYNC) and kind.value.id < "42"}
    known |= {Kind.CREDENTIAL_TOO_LONG, Kind.ENDPOINT_FAILED, Kind.DUPLICATE_ANCHOR, Kind.SYNC_START, Kind.SYNC_RESULT}
    known |= {kind for kind in Kind if kind.value.id == "6329"}
    assert known - here - PROVOKED.keys() == set()
    assert [place for place in set(PROVOKED.values()) if not _exists(place)] == []


def _exists(place: str) -> bool:
    file, _, name = place.partition("::")
    tree = ast.parse((Path(__file__).parents[3] / file).read_text("utf-8"))
    return any(isinstance(node, ast.FunctionDef) and node.name == name for node in tree.body)
