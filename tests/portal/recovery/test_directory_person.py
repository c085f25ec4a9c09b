"""Somebody whose password lives in a directory gets back in, from the first page to the last."""

from datetime import timedelta

import pytest
from django.utils import timezone
from tests.portal.walk import FakeDirectory, Walker, boxes_for, mails

from keyback.portal.audit.models import AuditEntry
from keyback.portal.people.models import Person
from keyback.portal.writeback.models import SealedBox

NEW = "Winter-ist-kalt-7"


def test_from_the_user_id_to_the_written_password(ada: Person, directory: FakeDirectory, walker: Walker) -> None:
    page = walker.prove("ada@example.test")
    assert page.heading == "We are looking at your account"

    directory.inspect(ada)
    page = walker.get("/recover/wait")
    assert page.heading == "What should your new password be?"
    assert "at least 8 characters" in page.text

    answer = walker.send_boxes(page, boxes_for(page, NEW))
    assert answer.json() == {"next": "/recover/wait"}
    assert walker.get("/recover/wait").heading == "Your new password is being set"

    envelope = directory.write()
    assert directory.written == [NEW]
    assert envelope.flags.unlock
    assert not envelope.flags.must_change
    page = walker.get("/recover/wait")
    assert page.heading == "Your password is changed"
    assert "Your computer keeps asking for the old password until it reaches" in page.text


def test_one_tracking_id_stands_on_every_page_in_the_audit_and_in_the_requests(
    ada: Person, directory: FakeDirectory, walker: Walker
) -> None:
    page = walker.prove("ada@example.test")
    tracking_id = page.response["Keyback-Tracking-Id"]
    assert tracking_id in page.text
    directory.inspect(ada)
    page = walker.get("/recover/password")
    walker.send_boxes(page, boxes_for(page, NEW))
    envelope = directory.write()
    assert str(envelope.tracking_id) == tracking_id
    assert walker.get("/recover/outcome").response["Keyback-Tracking-Id"] == tracking_id
    words = AuditEntry.objects.filter(tracking_id=tracking_id).order_by("id").values_list("activity", flat=True)
    assert list(words) == [
        "recovery.started",
        "recovery.code_sent",
        "recovery.gate_opened",
        "recovery.inspected",
        "recovery.submitted",
        "password.reset",
    ]


def test_a_mail_confirms_the_change_and_holds_no_password(
    ada: Person, directory: FakeDirectory, walker: Walker
) -> None:
    walker.prove("ada@example.test")
    directory.inspect(ada)
    page = walker.get("/recover/password")
    walker.send_boxes(page, boxes_for(page, NEW))
    directory.write()
    [_code, told] = mails()
    assert told["to"] == "ada@private.test"
    assert "was changed" in told["subject"]
    assert NEW not in told["text"]


@pytest.mark.parametrize("spelling", ["ADA@Example.Test", " ada@example.test ", "ada", "CORP\\Ada"])
def test_every_spelling_of_the_user_id_takes_the_same_path(
    spelling: str, ada: Person, directory: FakeDirectory, walker: Walker
) -> None:
    assert walker.prove(spelling).heading == "We are looking at your account"
    assert walker.recovery().person == ada


def test_the_browser_is_remembered_and_sees_the_mask_next_time(
    ada: Person, directory: FakeDirectory, walker: Walker
) -> None:
    assert "a••••@p••••.test" not in walker.identify("ada@example.test").text
    walker.prove("ada@example.test")
    directory.inspect(ada)
    page = walker.get("/recover/password")
    walker.send_boxes(page, boxes_for(page, NEW))
    directory.write()
    outcome = walker.get("/recover/outcome")
    cookie = outcome.response.cookies["keyback-device"]
    assert cookie["httponly"]
    assert "ada" not in cookie.value

    assert "a••••@p••••.test" in walker.identify("ada@example.test").text
    assert "••••" not in walker.identify("nobody@example.test").text


def test_the_boxes_are_gone_when_it_is_over(ada: Person, directory: FakeDirectory, walker: Walker) -> None:
    walker.prove("ada@example.test")
    directory.inspect(ada)
    page = walker.get("/recover/password")
    walker.send_boxes(page, boxes_for(page, NEW))
    assert SealedBox.objects.count() == 1
    directory.write()
    assert SealedBox.objects.count() == 0
    assert walker.recovery().prepared is None


def test_a_password_that_is_too_young_to_change_is_told_before_anything_is_typed(
    ada: Person, directory: FakeDirectory, walker: Walker
) -> None:
    walker.prove("ada@example.test")
    possible_from = timezone.now() + timedelta(hours=3)
    directory.inspect(ada, possible_from=possible_from.isoformat())
    page = walker.get("/recover/wait")
    assert page.heading == "Your password was changed too recently"
    assert f'datetime="{possible_from:%Y-%m-%dT%H:%M:%S}' in page.response.content.decode()
    assert "OnPremisesPolicyViolation" in page.text
