"""Seats: never more than there are, however many take the last one at once."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from django.db import connection

from keyback.portal.organizations import setup
from keyback.portal.organizations.models import Organization
from keyback.portal.people import seats
from keyback.portal.people.create import create_cloud_person
from keyback.portal.people.models import GroupMember, Person, Seat
from keyback.portal.people.seats import NoSeat
from tests.portal.commands import Here
from tests.portal.test_policies import group


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("one_by_one", [False, True])
def test_twenty_who_take_the_last_seat_at_once_leave_one_with_it(now: datetime, one_by_one: bool) -> None:
    organization = setup.create("Example Ltd", by="operator:test", now=now)
    domain = setup.add_domain(organization, "example.test", by="operator:test", now=now)
    setup.verify_domain(domain, by="operator:test", how="operator", now=now)
    people = [create_cloud_person(organization, f"p{n}@example.test", by="operator:test", now=now) for n in range(20)]
    staff = group(organization, "Staff", *people)
    Organization.objects.update(seats=1, seat_groups=[str(staff.id)])
    start = threading.Barrier(20)

    def take(person: Person) -> bool:
        mine = Person.objects.select_related("organization").get(pk=person.pk)
        start.wait()
        try:
            if not one_by_one:
                return seats.take(mine, now)
            seats.give(mine, by="operator:test", now=now)
            return True
        except NoSeat:
            return False
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(take, people)) == 1
    assert Seat.objects.count() == 1


def test_seats_at_the_command_line(
    here: Here, organization: Organization, ana: Person, make_organization: Callable[..., Organization]
) -> None:
    slug, staff = organization.slug, group(organization, "Staff", ana)
    theirs = group(make_organization("Other Ltd", "other.test"), "Theirs")
    assert "has no group" in here.refused("seats", "set", slug, "--group", str(theirs.id))
    here.ok("seats", "set", slug, "--count", "1", "--group", "Staff")
    here.ok("seats", "give", "ana@example.test")
    here.ok("person", "add", slug, "ben@example.test")
    assert "all 1 seats of Example Ltd are taken" in here.refused("seats", "give", "ben@example.test")
    assert [row["user_id"] for row in here.lines("seats", "list", slug)] == ["ana@example.test"]
    here.ok("seats", "take", "ana@example.test")
    here.refused("seats", "take", "ana@example.test")
    ana.refresh_from_db()
    assert seats.take(ana, organization.created_at)
    assert [row["through"] for row in here.lines("seats", "list", slug)] == ["Staff"]
    assert "0 seats are free again" in here.ok("seats", "tidy", slug)
    GroupMember.objects.filter(group=staff).delete()
    assert "1 seats are free again" in here.ok("seats", "tidy", slug)
    here.ok("seats", "set", slug, "--unlimited", "--no-groups")
    ana.organization.refresh_from_db()
    assert seats.take(ana, organization.created_at)
    assert not Seat.objects.exists()


def test_groups_at_the_command_line(here: Here, organization: Organization, ana: Person) -> None:
    slug = organization.slug
    for name in ("Staff", "All"):
        here.ok("group", "create", slug, name)
    assert "there is a group 'Staff' already" in here.refused("group", "create", slug, "Staff")
    here.ok("group", "add", slug, "Staff", "ana@example.test")
    assert "was in Staff already" in here.ok("group", "add", slug, "Staff", "ana@example.test")
    here.ok("group", "add", slug, "All", "Staff", "--group")
    here.ok("policy", "set", slug, "--group", "All")
    assert "covers: member of All" in here.ok("policy", "explain", "ana@example.test")
    assert "the policy 'Everybody' is for All" in here.refused("group", "delete", slug, "All")
    here.ok("group", "remove", slug, "Staff", "ana@example.test")
    assert "is not in Staff by itself" in here.refused("group", "remove", slug, "Staff", "ana@example.test")
    assert "SSPR_0013" in here.ok("policy", "explain", "ana@example.test")
    here.ok("group", "delete", slug, "Staff")
    assert [(row["name"], row["members"]) for row in here.lines("group", "list", slug)] == [("All", 0)]


def test_roles_at_the_command_line(here: Here, organization: Organization, ana: Person) -> None:
    slug = organization.slug
    here.ok("org", "admin", "add", slug, "it@elsewhere.test", "--role", "helpdesk", "--person", "ana@example.test")
    [row] = here.lines("org", "admin", "list", slug)
    assert (row["address"], row["role"], row["person"]) == ("it@elsewhere.test", "helpdesk", "ana@example.test")
    here.ok("org", "admin", "remove", slug, "IT@elsewhere.test")
    assert here.lines("org", "admin", "list", slug) == []
    assert "has no administrator" in here.refused("org", "admin", "remove", slug, "it@elsewhere.test")
