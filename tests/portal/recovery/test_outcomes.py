"""What the person is told agrees with what the request's outcome was, also when it comes late."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from tests.portal.recovery.conftest import Clock, heard
from tests.portal.walk import FakeDirectory, Walker, boxes_for, mails

from keyback.portal.audit.models import AuditEntry
from keyback.portal.limits.models import Counter
from keyback.portal.organizations import setup
from keyback.portal.organizations.models import Organization
from keyback.portal.people.models import Person
from keyback.portal.writeback.claims import answer_poll
from keyback.portal.writeback.models import WritebackRequest
from keyback.portal.writeback.requests import finish, grant_writing, sweep
from keyback.protocol.encoding import b64decode
from keyback.protocol.messages import Before, Envelope, Finding, Outcome, Poll, WriteIntent
from keyback.protocol.outcomes import OutcomeCode

NEW = "Winter-ist-kalt-7"


@pytest.fixture
def waiting(ada: Person, directory: FakeDirectory, walker: Walker) -> Walker:
    """Ada has submitted a password and looks at the waiting page."""
    walker.prove("ada@example.test")
    directory.inspect(ada)
    page = walker.get("/recover/password")
    assert walker.send_boxes(page, boxes_for(page, NEW)).status_code == 200
    return walker


@pytest.mark.parametrize(
    ("code", "heading", "shown"),
    [
        (OutcomeCode.PROTECTED, "Please contact your administrator", "SSPR_0029"),
        (OutcomeCode.PERMISSION, "Please contact your administrator", "SSPR_0029"),
        (OutcomeCode.CONTROL_MISSING, "Please contact your administrator", "SSPR_0029"),
        (OutcomeCode.CAPPED, "Please contact your administrator", "SSPR_0029"),
        (OutcomeCode.UNOPENABLE, "Please contact your administrator", "SSPR_0029"),
        (OutcomeCode.UNFORESEEN, "Please contact your administrator", "SSPR_0029"),
        (OutcomeCode.UNREACHABLE, "This is not possible at the moment", "SSPR_0030"),
        (OutcomeCode.NOT_WRITTEN, "This is not possible at the moment", "SSPR_0030"),
    ],
)
def test_a_refusal_has_its_title_and_code(
    code: OutcomeCode, heading: str, shown: str, waiting: Walker, directory: FakeDirectory
) -> None:
    directory.write(code)
    page = waiting.get("/recover/wait")
    assert page.heading == heading
    assert shown in page.text
    assert not any("was changed" in mail["subject"] for mail in mails())
    assert AuditEntry.objects.get(activity="password.reset").result == "failure"


@pytest.mark.parametrize(
    "code",
    [
        OutcomeCode.PROTECTED,
        OutcomeCode.DISABLED,
        OutcomeCode.PERMISSION,
        OutcomeCode.SMART_CARD,
        OutcomeCode.NOT_FOUND,
    ],
)
def test_what_cannot_be_written_is_told_before_a_password_is_typed(
    code: OutcomeCode, ada: Person, directory: FakeDirectory, walker: Walker
) -> None:
    walker.prove("ada@example.test")
    directory.inspect(ada, code)
    page = walker.get("/recover/wait")
    assert page.heading == "Please contact your administrator"
    assert "SSPR_0029" in page.text


def test_too_young_at_the_write_ends_with_the_time(waiting: Walker, directory: FakeDirectory) -> None:
    when = "2026-12-24T12:00:00+00:00"
    directory.write(OutcomeCode.POLICY, [Finding(code="too_young", params={"possible_from": when})])
    page = waiting.get("/recover/wait")
    assert page.heading == "Your password was changed too recently"
    assert f'datetime="{when}"' in page.response.content.decode()


def test_a_request_that_nobody_took_is_told_as_unreachable(waiting: Walker, clock: Clock) -> None:
    clock.forward(seconds=70)
    assert sweep(timezone.now()) == 1
    page = waiting.get("/recover/wait")
    assert page.heading == "This is not possible at the moment"
    assert "SSPR_0030" in page.text


def test_an_inspection_that_nobody_took_is_told_as_unreachable(ada: Person, walker: Walker, clock: Clock) -> None:
    walker.prove("ada@example.test")
    clock.forward(seconds=70)
    sweep(timezone.now())
    assert "SSPR_0030" in walker.get("/recover/wait").text


def test_a_password_changed_meanwhile_is_looked_at_again(
    waiting: Walker, directory: FakeDirectory, ada: Person
) -> None:
    directory.write(OutcomeCode.STALE)
    assert waiting.get("/recover/wait").heading == "We are looking at your account"
    directory.inspect(ada)
    assert waiting.get("/recover/wait").heading == "What should your new password be?"


def test_a_password_that_must_be_changed_again_is_no_plain_success(
    waiting: Walker, directory: FakeDirectory, organization: Organization
) -> None:
    setup.add_administrator(organization, "Ivo", "it@example.test")
    directory.write(findings=[Finding(code="still_expired"), Finding(code="of_a_newer_agent")])
    page = waiting.get("/recover/wait")
    assert page.heading == "Your password is changed"
    assert "you are asked to choose another password" in page.text
    assert "it is unlocked" in page.text
    to_person, to_administrator = mails()[-2:]
    assert "you are asked to choose another password" in to_person["text"]
    assert to_administrator["to"] == "it@example.test"
    assert "Unexpire Password" in to_administrator["text"]
    assert AuditEntry.objects.get(activity="password.reset").details == {
        "shortfalls": "still_expired",
        "kind": "pass_through",
    }


def test_an_account_that_stays_locked_is_no_plain_success(waiting: Walker, directory: FakeDirectory) -> None:
    directory.write(findings=[Finding(code="still_locked")])
    page = waiting.get("/recover/wait")
    assert "Your account is still locked" in page.text
    assert "it is unlocked" not in page.text
    assert "Your account is still locked" in mails()[-1]["text"]


def test_administrators_hear_of_a_missing_right_once_a_day(
    make_ada: Callable[..., Person], directory: FakeDirectory, organization: Organization
) -> None:
    setup.add_administrator(organization, "Ivo", "it@example.test")

    def reset(name: str) -> None:
        person, walker = make_ada(name), Walker()
        walker.prove(f"{name}@example.test")
        directory.inspect(person)
        page = walker.get("/recover/password")
        walker.send_boxes(page, boxes_for(page, NEW))
        directory.write(findings=[Finding(code="still_expired")])

    def told() -> int:
        return sum(mail["to"] == "it@example.test" for mail in mails())

    reset("ben")
    reset("bob")
    assert told() == 1
    closed = Counter.objects.get(budget="shortfalls_told")
    assert closed.blocked_until is not None and closed.blocked_until > timezone.now() + timedelta(hours=23)
    closed.delete()  # as time does; the agent's key would not live so long
    reset("bea")
    assert told() == 2


def test_nobody_knows_is_said_so_and_a_late_certainty_corrects_it(
    waiting: Walker, directory: FakeDirectory, clock: Clock
) -> None:
    fence, envelope = _begin_writing(directory)
    clock.forward(minutes=10)
    sweep(timezone.now())
    clock.forward(minutes=10)
    sweep(timezone.now())
    page = waiting.get("/recover/wait")
    assert page.heading == "We don't know whether your password was changed"

    done = Outcome(request_id=envelope.request_id, fence=fence, code=OutcomeCode.DONE)
    finish(directory.agent.row, envelope.request_id, done, timezone.now())
    assert waiting.get("/recover/outcome").heading == "Your password is changed"
    assert "Now we know: it was written." in mails()[-1]["text"]
    assert AuditEntry.objects.filter(activity="writeback.corrected").count() == 1


def test_a_late_certainty_that_nothing_was_written_is_mailed_too(
    waiting: Walker, directory: FakeDirectory, clock: Clock
) -> None:
    fence, envelope = _begin_writing(directory)
    clock.forward(minutes=10)
    sweep(timezone.now())
    clock.forward(minutes=10)
    sweep(timezone.now())
    told = Outcome(request_id=envelope.request_id, fence=fence, code=OutcomeCode.NOT_WRITTEN)
    finish(directory.agent.row, envelope.request_id, told, timezone.now())
    assert "SSPR_0030" in waiting.get("/recover/outcome").text
    assert "Now we know: it was not written." in mails()[-1]["text"]


def test_a_machine_that_slept_before_the_send_corrects_not_written(waiting: Walker, directory: FakeDirectory) -> None:
    fence, envelope = _begin_writing(directory)
    for code in (OutcomeCode.NOT_WRITTEN, OutcomeCode.DONE):
        outcome = Outcome(request_id=envelope.request_id, fence=fence, code=code)
        finish(directory.agent.row, envelope.request_id, outcome, timezone.now())
    assert waiting.get("/recover/outcome").heading == "Your password is changed"


def test_an_outcome_told_twice_is_mailed_once(waiting: Walker, directory: FakeDirectory) -> None:
    envelope = directory.write()
    row = WritebackRequest.objects.get(id=envelope.request_id)
    outcome = Outcome(request_id=row.id, fence=row.fence, code=OutcomeCode.DONE)
    finish(directory.agent.row, row.id, outcome, timezone.now())
    assert sum("was changed" in mail["subject"] for mail in mails()) == 1


def test_the_waiting_page_asks_and_goes_on(waiting: Walker, directory: FakeDirectory) -> None:
    assert waiting.client.get("/recover/state").json() == {"waiting": True}
    directory.write()
    assert waiting.client.get("/recover/state").json() == {"waiting": False, "next": "/recover/outcome"}


def test_while_another_request_is_unfinished_the_inspection_waits_its_turn(
    waiting: Walker, directory: FakeDirectory, ada: Person
) -> None:
    second = Walker()
    assert second.prove("ada@example.test").heading == "We are looking at your account"
    assert second.recovery().request_id is None
    directory.write(OutcomeCode.POLICY)
    assert second.client.get("/recover/state").json() == {"waiting": True}
    directory.inspect(ada)
    assert second.get("/recover/wait").heading == "What should your new password be?"


def test_an_agent_that_fell_silent_is_told_when_the_gate_opens(
    ada: Person, directory: FakeDirectory, walker: Walker, clock: Clock
) -> None:
    page = walker.ask_for_code(walker.identify("ada@example.test"))
    clock.forward(minutes=4)
    code_page = walker.type_code(page, _code())
    assert "SSPR_0030" in code_page.text
    heard(directory.agent.row)


def _code() -> str:
    from tests.portal.walk import newest_code

    return newest_code()


def _begin_writing(directory: FakeDirectory) -> tuple[int, Envelope]:
    """The agent was granted the write, and then nothing more was heard of it."""
    [work] = answer_poll(directory.agent.row, Poll(boot_id=directory.boot_id), timezone.now())
    envelope = Envelope.model_validate_json(b64decode(work.envelope))
    before = Before(
        server="dc1",
        invocation_id=directory.boot_id,
        object_guid=envelope.object_guid,
        password_version=5,
        pwd_last_set_version=5,
    )
    intent = WriteIntent(fence=work.fence, before=before)
    assert grant_writing(directory.agent.row, envelope.request_id, intent, timezone.now()).granted
    return work.fence, envelope
