"""What the portal does unasked, by its running threads."""

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from keyback.portal import background
from tests.support.waiting import wait_until


@pytest.mark.django_db(transaction=True)
def test_sessions_that_are_over_are_forgotten_and_no_others() -> None:
    now = timezone.now()
    Session.objects.create(session_key="over", session_data="", expire_date=now - timedelta(seconds=1))
    Session.objects.create(session_key="alive", session_data="", expire_date=now + timedelta(minutes=5))
    with background.running():
        wait_until(lambda: not Session.objects.filter(session_key="over").exists(), what="the end of a session")
    assert list(Session.objects.values_list("session_key", flat=True)) == ["alive"]
