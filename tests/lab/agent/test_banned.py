"""The organization's own rules for passwords, at the agent: refused before anything is sent, or only told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from tests.lab.agent.desk import Desk

from keyback.agent.config import Passwords
from keyback.passwords import PROFILES, breached
from keyback.passwords.breachedbuild import build
from keyback.protocol.messages import Operation
from keyback.protocol.outcomes import OutcomeCode, sspr_code
from lab import Forest, api
from lab.api import SignIn
from lab.people import INITIAL_PASSWORD, Kind, Person

pytestmark = pytest.mark.lab

BANNED = "Qwertz-1234567"
GuidOf = Callable[[str], UUID]
NewPerson = Callable[..., Person]


def reset(desk: Desk, mode: str, guid: UUID, password: str, initiator: str = "self"):  # type: ignore[no-untyped-def]
    desk.close()
    desk.passwords = Passwords.model_validate({"mode": mode})
    desk.start()
    return desk.order(guid, Operation.RESET, password, initiator=initiator)


def test_a_banned_password_is_never_sent_and_the_reason_is_in_both_events(
    forest: Forest, desk: Desk, new_person: NewPerson, guid_of: GuidOf
) -> None:
    person = new_person(Kind.ORDINARY)
    version = api.password_version(forest, person.account)
    order = reset(desk, "enforce", guid_of(person.account), BANNED)

    outcome = desk.do(order)

    assert outcome.code is OutcomeCode.BANNED
    assert [(finding.code, finding.params) for finding in outcome.findings] == [("banned", {})]
    assert desk.story(order) == ["31001", "42030", "31003"]
    assert [event.name for event in desk.events(order)][1] == "FuzzyPolicyViolation"
    assert desk.events(order)[-1].message == "FuzzyPolicyViolation: the new password breaks: banned"
    assert desk.intents == []
    assert api.password_version(forest, person.account) == version
    assert BANNED.lower() not in (Path(desk.folder) / "events.jsonl").read_text().lower()


def test_the_persons_names_are_refused_all_of_them(desk: Desk, new_person: NewPerson, guid_of: GuidOf) -> None:
    person = new_person(Kind.ORDINARY, surname="Quaternion")
    outcome = desk.do(reset(desk, "enforce", guid_of(person.account), "xK7-Qu@ternion-9"))
    assert outcome.code is OutcomeCode.BANNED
    assert [finding.code for finding in outcome.findings] == ["name"]


def test_an_audit_tells_and_accepts(forest: Forest, desk: Desk, new_person: NewPerson, guid_of: GuidOf) -> None:
    person = new_person(Kind.ORDINARY)
    order = reset(desk, "audit", guid_of(person.account), BANNED)
    outcome = desk.do(order)
    assert outcome.code is OutcomeCode.DONE
    assert desk.story(order) == ["31001", "42031", "31002"]
    assert desk.events(order)[1].message == "accepted, as it is only audited: banned"
    assert api.kinit(forest, person.account, BANNED) is SignIn.OK


def test_switched_off_only_the_directory_judges(
    forest: Forest, desk: Desk, new_person: NewPerson, guid_of: GuidOf
) -> None:
    person = new_person(Kind.ORDINARY)
    order = reset(desk, "off", guid_of(person.account), BANNED)
    assert desk.do(order).code is OutcomeCode.DONE
    assert desk.story(order) == ["31001", "31002"]


def test_every_broken_rule_is_named_at_once(desk: Desk, new_person: NewPerson, guid_of: GuidOf) -> None:
    person = new_person(Kind.ORDINARY)
    order = reset(desk, "enforce", guid_of(person.account), "qwertz")
    outcome = desk.do(order)
    assert outcome.code is OutcomeCode.POLICY
    assert [finding.code for finding in outcome.findings] == ["too_short", "classes", "banned"]
    assert desk.story(order) == ["31001", "33008", "42030", "31003"]


def test_the_rules_of_a_profile_are_told_with_their_figures(desk: Desk, new_person: NewPerson, guid_of: GuidOf) -> None:
    desk.close()
    desk.passwords = Passwords(mode="enforce", profile="typical")
    desk.start()
    guid = guid_of(new_person(Kind.ORDINARY).account)
    inspection = desk.do(desk.order(guid, Operation.INSPECT)).inspection
    assert inspection is not None
    assert inspection.profile.model_dump() == PROFILES["typical"].to_dict()
    order = desk.order(guid, Operation.RESET, "Kd8%vw-Qz2#m-7x-R")
    outcome = desk.do(order)
    assert outcome.code is OutcomeCode.POLICY
    assert [(finding.code, finding.params) for finding in outcome.findings] == [("too_long", {"maximum": 16})]
    assert desk.story(order) == ["31001", "33008", "31003"]


@pytest.mark.parametrize(
    ("operation", "initiator", "story"),
    [
        (Operation.RESET, "self", ["31001", "42030", "31003"]),
        (Operation.CHANGE, "self", ["31006", "42030", "31008"]),
        (Operation.RESET, "admin:6f7b1f0e-5c7c-4f0e-8f3a-3f1f3d1f7f11", ["31009", "42030", "31011"]),
    ],
)
def test_each_operation_that_sets_a_password_is_refused_with_one_reason_and_an_event_of_our_own(
    forest: Forest,
    desk: Desk,
    new_person: NewPerson,
    guid_of: GuidOf,
    operation: Operation,
    initiator: str,
    story: list[str],
) -> None:
    person = new_person(Kind.ORDINARY)
    current = INITIAL_PASSWORD if operation is Operation.CHANGE else None
    desk.close()
    desk.passwords = Passwords(mode="enforce")
    desk.start()
    order = desk.order(guid_of(person.account), operation, BANNED, current=current, initiator=initiator)
    outcome = desk.do(order)
    assert (outcome.code, sspr_code(outcome.code)) == (OutcomeCode.BANNED, "FuzzyPolicyViolation")
    assert desk.story(order) == story
    assert desk.events(order)[1].name == "FuzzyPolicyViolation"
    assert desk.events(order)[-1].message.startswith("FuzzyPolicyViolation: ")
    assert desk.intents == []
    assert api.kinit(forest, person.account, INITIAL_PASSWORD) is SignIn.OK


@pytest.mark.parametrize(
    ("mode", "code", "story"),
    [
        ("enforce", OutcomeCode.CONFIGURATION, ["31001", "42034", "31003"]),
        ("audit", OutcomeCode.DONE, ["31001", "42034", "42031", "31002"]),
    ],
)
def test_a_file_of_breached_passwords_that_is_gone_is_told_and_refuses_unless_it_is_an_audit(
    desk: Desk, new_person: NewPerson, guid_of: GuidOf, tmp_path: Path, mode: str, code: OutcomeCode, story: list[str]
) -> None:
    (tmp_path / "corpus").write_text("")
    build([tmp_path / "corpus"], tmp_path / "breached", breached.Kind.SHA1)
    desk.close()
    desk.passwords = Passwords.model_validate({"mode": mode, "breached_file": tmp_path / "breached"})
    desk.start()
    (tmp_path / "breached").unlink()
    order = desk.order(guid_of(new_person(Kind.ORDINARY).account), Operation.RESET, BANNED)
    assert desk.do(order).code is code
    assert desk.story(order) == story
    assert "breached: No such file" in desk.events(order)[1].message
