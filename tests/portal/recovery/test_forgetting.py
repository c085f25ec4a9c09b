"""A month later a walk is forgotten, a stranger's too; the audit keeps what happened."""

from datetime import timedelta

import pytest
from django.utils import timezone
from tests.portal.recovery.conftest import Clock
from tests.portal.walk import FakeDirectory, Walker, boxes_for

from keyback.portal import background
from keyback.portal.audit.models import AuditEntry
from keyback.portal.people.models import Person
from keyback.portal.recovery.models import Challenge, Recovery
from keyback.portal.writeback.models import WritebackRequest


@pytest.fixture
def walked(ada: Person, walker: Walker, directory: FakeDirectory) -> None:
    """A walk to its end, and one of somebody unknown."""
    walker.prove("ada@example.test")
    directory.inspect(ada)
    page = walker.get("/recover/password")
    walker.send_boxes(page, boxes_for(page, "Winter-ist-kalt-7"))
    directory.write()
    stranger = Walker("10.0.0.9")
    stranger.ask_for_code(stranger.identify("nobody@example.test"))


def _left() -> list[int]:
    return [model.objects.count() for model in (Recovery, Challenge, WritebackRequest)]


def test_after_a_month_nothing_is_left_but_the_audit(
    walked: None, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "_AT_ONCE", 1)
    known, entries = Person.objects.count(), AuditEntry.objects.count()
    clock.forward(days=29)
    background.forget(timezone.now())
    assert _left() == [2, 2, 2]
    clock.forward(days=2)
    background.forget(timezone.now())
    assert _left() == [0, 0, 0]
    assert (Person.objects.count(), AuditEntry.objects.count()) == (known, entries)


def test_a_request_that_is_under_way_stays(ada: Person, walker: Walker, directory: FakeDirectory) -> None:
    walker.prove("ada@example.test")
    background.forget(timezone.now() + timedelta(days=31))
    assert _left() == [0, 0, 1]
