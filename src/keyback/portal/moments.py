"""A moment in the words of the page's language. Hour and minute always have two digits: English would write "10 p.m."
at a full hour and "10:01 p.m." a minute later, and pages that must look alike would differ in size."""

from __future__ import annotations

from datetime import UTC, datetime

from django.utils.formats import date_format

__all__ = ["told"]


def told(moment: datetime) -> str:
    """Date and time in UTC, without naming the zone."""
    utc = moment.astimezone(UTC)
    return f"{date_format(utc, 'DATE_FORMAT')}, {utc:%H:%M}"
