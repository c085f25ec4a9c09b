"""People who have gone too many at once wait for an operator's word."""

from datetime import datetime
from uuid import uuid4

import pytest

from keyback.portal.audit.models import AuditEntry
from keyback.portal.organizations.models import Forest, Organization
from keyback.portal.people.models import Person
from tests.portal.commands import Here
from tests.portal.people import directory_person


@pytest.fixture
def forest(organization: Organization, now: datetime) -> Forest:
    """Corp.test, of which seven people are missing and one is there."""
    forest = Forest.objects.create(organization=organization, name="corp.test")
    for number in range(8):
        directory_person(
            organization=organization,
            forest=forest,
            object_guid=uuid4(),
            user_id=f"person{number}@example.test",
            missing_at=now if number else None,
        )
    return forest


def test_those_who_wait_are_listed(here: Here, organization: Organization, forest: Forest) -> None:
    [row] = here.lines("removals", "list", organization.slug)
    assert (row["forest"], row["people"]) == ("corp.test", 7)
    assert "person1@example.test" in row["such as"]


def test_a_word_removes_them_and_is_audited(here: Here, organization: Organization, forest: Forest) -> None:
    said = here.ok("removals", "confirm", organization.slug, "corp.test", "--expect", "7")
    assert "7 people of corp.test were removed" in said
    assert Person.objects.filter(removed_at__isnull=True).count() == 1
    assert AuditEntry.objects.get(activity="people.removals_confirmed").details["people"] == 7
    assert "Nobody waits" in here.ok("removals", "list", organization.slug)


def test_more_than_were_shown_are_not_removed(here: Here, organization: Organization, forest: Forest) -> None:
    assert "look again" in here.refused("removals", "confirm", organization.slug, "corp.test", "--expect", "6")
    assert Person.objects.filter(removed_at__isnull=True).count() == 8
