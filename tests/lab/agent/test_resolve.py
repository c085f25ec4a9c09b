"""After a crash or a time-out the agent looks what became of the write, and never writes again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from tests.lab.agent.desk import Desk, Order

import lab
from keyback.protocol.messages import Before, Operation
from keyback.protocol.outcomes import OutcomeCode
from lab import Forest, api
from lab.api import SignIn
from lab.people import Kind, Person

pytestmark = pytest.mark.lab

NEW = "Wholly-New-Pa55word"
GuidOf = Callable[[str], UUID]
NewPerson = Callable[..., Person]


@pytest.fixture
def person(new_person: NewPerson) -> Person:
    return new_person(Kind.ORDINARY)


def before_of(desk: Desk, order: Order) -> Before:
    """What the agent would have reported before writing, without writing."""
    desk.granted = False
    desk.agent.carry_out(order.work(fence=1))
    desk.granted = True
    return desk.intents[-1].before


def test_an_unmoved_version_means_not_written(forest: Forest, desk: Desk, person: Person, guid_of: GuidOf) -> None:
    order = desk.order(guid_of(person.account), Operation.RESET, NEW)
    before = before_of(desk, order)
    outcome = desk.do(order, fence=2, before=before)
    assert outcome.code is OutcomeCode.NOT_WRITTEN
    assert desk.story(order)[-2:] == ["42015", "31003"]
    assert api.password_version(forest, person.account) == before.password_version


def test_a_moved_version_and_a_password_that_binds_mean_done(
    forest: Forest, desk: Desk, person: Person, guid_of: GuidOf
) -> None:
    order = desk.order(guid_of(person.account), Operation.RESET, NEW)
    before = before_of(desk, order)
    api.set_password(forest, person.account, NEW)
    written = api.password_version(forest, person.account)
    outcome = desk.do(order, fence=2, before=before)
    assert outcome.code is OutcomeCode.DONE
    assert desk.story(order)[-2:] == ["42015", "31002"]
    assert api.password_version(forest, person.account) == written


def test_a_moved_version_and_a_password_that_does_not_bind_mean_superseded(
    forest: Forest, desk: Desk, person: Person, guid_of: GuidOf
) -> None:
    order = desk.order(guid_of(person.account), Operation.RESET, NEW)
    before = before_of(desk, order)
    api.set_password(forest, person.account, "Somebody-Elses-0ne")
    assert desk.do(order, fence=2, before=before).code is OutcomeCode.SUPERSEDED
    assert api.kinit(forest, person.account, "Somebody-Elses-0ne") is SignIn.OK


def test_a_temporary_password_is_recognized_although_it_must_be_changed(
    forest: Forest, desk: Desk, person: Person, guid_of: GuidOf
) -> None:
    order = desk.order(guid_of(person.account), Operation.RESET, NEW, must_change=True)
    before = before_of(desk, order)
    api.set_password(forest, person.account, NEW, must_change=True)
    assert desk.do(order, fence=2, before=before).code is OutcomeCode.DONE


def test_a_lock_out_is_cleared_where_the_request_includes_it(
    forest: Forest, desk: Desk, person: Person, guid_of: GuidOf
) -> None:
    order = desk.order(guid_of(person.account), Operation.RESET, NEW, unlock=True)
    before = before_of(desk, order)
    api.set_password(forest, person.account, NEW)
    api.lock_out(forest, person.account)
    assert desk.do(order, fence=2, before=before).code is OutcomeCode.DONE
    assert api.kinit(forest, person.account, NEW) is SignIn.OK


def test_a_lock_out_that_is_not_to_be_cleared_leaves_it_unknown(
    forest: Forest, desk: Desk, person: Person, guid_of: GuidOf
) -> None:
    order = desk.order(guid_of(person.account), Operation.RESET, NEW)
    before = before_of(desk, order)
    api.set_password(forest, person.account, NEW)
    api.lock_out(forest, person.account)
    assert desk.do(order, fence=2, before=before).code is OutcomeCode.UNKNOWN
    assert desk.story(order)[-1] == "42016"
    assert api.kinit(forest, person.account, NEW) is SignIn.REVOKED
    entry = desk.journal.entry(order.envelope.request_id)
    assert entry is not None
    assert entry.outcome is None  # not the end of it


def test_no_bind_when_one_more_failure_would_lock_the_account(
    forest: Forest, desk: Desk, person: Person, guid_of: GuidOf, policy: Callable[..., None]
) -> None:
    policy(lockout_threshold=3)
    order = desk.order(guid_of(person.account), Operation.RESET, NEW)
    before = before_of(desk, order)
    api.set_password(forest, person.account, "Somebody-Elses-0ne")
    for _ in range(2):
        api.bind(forest, person.account, "Wrong-Pa55word")
    assert desk.do(order, fence=2, before=before).code is OutcomeCode.UNKNOWN
    assert api.kinit(forest, person.account, "Somebody-Elses-0ne") is SignIn.OK


def test_without_its_key_the_box_proves_nothing_but_an_unmoved_version_does(
    forest: Forest, desk: Desk, person: Person, guid_of: GuidOf
) -> None:
    order = desk.order(guid_of(person.account), Operation.RESET, NEW)
    before = before_of(desk, order)
    boxless = Order(order.envelope, order.signature, None)
    api.set_password(forest, person.account, NEW)
    assert desk.do(boxless, fence=2, before=before).code is OutcomeCode.UNKNOWN
    moved = before.model_copy(update={"password_version": api.password_version(forest, person.account)})
    assert desk.do(boxless, fence=3, before=moved).code is OutcomeCode.NOT_WRITTEN


def test_another_agent_resolves_what_it_never_journaled(
    forest: Forest, desk: Desk, person: Person, guid_of: GuidOf
) -> None:
    order = desk.order(guid_of(person.account), Operation.RESET, NEW)
    before = before_of(desk, order)
    desk.close()
    (desk.folder / "journal.sqlite").unlink()
    desk.start()
    api.set_password(forest, person.account, NEW)
    assert desk.do(order, fence=2, before=before).code is OutcomeCode.DONE


def test_an_outcome_that_could_not_be_told_is_told_after_a_restart(
    desk: Desk, person: Person, guid_of: GuidOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = desk.order(guid_of(person.account), Operation.RESET, NEW)
    monkeypatch.setattr(desk, "report", _unplugged(desk))
    desk.agent.carry_out(order.work())
    assert desk.outcomes == []
    monkeypatch.undo()
    desk.close()
    desk.start()
    assert desk.agent.catch_up()
    assert [outcome.code for outcome in desk.outcomes] == [OutcomeCode.DONE]
    assert desk.agent.catch_up()
    assert len(desk.outcomes) == 1
    assert desk.story(order) == ["31001", "31002", "32001"][:2]


def test_the_agent_goes_on_asking_after_the_portal_has_given_up(
    forest: Forest, desk: Desk, person: Person, guid_of: GuidOf
) -> None:
    order = desk.order(guid_of(person.account), Operation.RESET, NEW)
    before_of(desk, order)  # begun, and then the agent dies
    api.set_password(forest, person.account, NEW)
    desk.close()
    desk.start(servers=["ldaps://127.0.0.1:9"])  # type: ignore[arg-type]  # a list, as TOML gives it
    later = desk.clock.now() + timedelta(minutes=7)
    desk.agent.look_again(later)
    assert desk.outcomes == []

    desk.close()
    desk.start()
    desk.agent.look_again(desk.clock.now())
    assert desk.outcomes == []  # the portal itself asks as yet
    desk.agent.look_again(later)
    desk.agent.look_again(later)
    assert [outcome.code for outcome in desk.outcomes] == [OutcomeCode.DONE]


def _unplugged(desk: Desk) -> Callable[[object], object]:
    def report(outcome: object) -> object:
        desk.reachable = False
        try:
            desk._arrive()
        finally:
            desk.reachable = True

    return report


@pytest.fixture
def desk_to_break(forest_to_break: Forest, tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(forest_to_break, tmp_path / "breaking")
    yield desk
    desk.close()


def test_a_controller_that_freezes_over_the_write_is_asked_when_it_wakes(
    forest_to_break: Forest, desk_to_break: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, forest = desk_to_break, forest_to_break
    person = api.new_person(forest, Kind.ORDINARY)
    guid = UUID(bytes_le=api.get_attributes(forest, person.account, "objectGUID")["objectGUID"][0])
    order = desk.order(guid, Operation.RESET, NEW)
    granting = desk.ask_to_write

    def freeze_then_grant(*arguments: object) -> object:
        lab.freeze(forest.name)
        return granting(*arguments)  # type: ignore[arg-type]  # what the agent gave

    monkeypatch.setattr(desk, "ask_to_write", freeze_then_grant)
    asleep = desk.do(order)
    assert asleep.code is OutcomeCode.UNKNOWN
    assert desk.story(order) == ["31001", "42016"]

    lab.thaw(forest.name)
    awake = desk.do(order, fence=2, before=desk.intents[0].before)

    written = api.kinit(forest, person.account, NEW) is SignIn.OK
    assert awake.code is (OutcomeCode.DONE if written else OutcomeCode.NOT_WRITTEN)


def test_a_controller_that_is_gone_leaves_it_unknown_and_is_asked_when_it_is_back(
    forest_to_break: Forest, desk_to_break: Desk
) -> None:
    desk, forest = desk_to_break, forest_to_break
    person = api.new_person(forest, Kind.ORDINARY)
    guid = UUID(bytes_le=api.get_attributes(forest, person.account, "objectGUID")["objectGUID"][0])
    order = desk.order(guid, Operation.RESET, NEW)
    before = before_of(desk, order)
    api.set_password(forest, person.account, NEW)
    lab.kill(forest.name)
    assert desk.do(order, fence=2, before=before).code is OutcomeCode.UNKNOWN
    lab.restart(forest.name)
    assert desk.do(order, fence=3, before=before).code is OutcomeCode.DONE
