"""Moments are told in the page's language, and are as long at a full hour as a minute later."""

from datetime import UTC, datetime

from django.template.loader import render_to_string
from django.utils import translation

from keyback.portal.moments import told

HOUR = datetime(2026, 11, 22, 22, 0, tzinfo=UTC)
LATER = datetime(2026, 11, 22, 22, 1, tzinfo=UTC)


def test_a_full_hour_is_as_long_as_a_minute_after_it() -> None:
    with translation.override("en"):
        assert told(HOUR) == "Nov. 22, 2026, 22:00"
        assert len(told(HOUR)) == len(told(LATER))
        pages = [render_to_string("moment.html", {"moment": moment}) for moment in (HOUR, LATER)]
    assert len(pages[0]) == len(pages[1])


def test_it_is_told_in_the_language_of_the_page() -> None:
    with translation.override("de"):
        assert told(HOUR) == "22. November 2026, 22:00"
