"""Whom a policy for a group covers: members, members of members, and never somebody of another forest."""

from collections.abc import Callable
from uuid import UUID, uuid4

from keyback.portal.organizations.models import Forest, Organization
from keyback.portal.people.groups import groups_of
from keyback.portal.people.models import Group, GroupMember, Person
from tests.portal.people import directory_person


def group(organization: Organization, name: str, forest: Forest | None = None) -> Group:
    guid = None if forest is None else uuid4()
    return Group.objects.create(organization=organization, name=name, forest=forest, object_guid=guid)


def put(into: Group, *, person: Person | None = None, inner: Group | None = None, guid: UUID | None = None) -> None:
    GroupMember.objects.create(
        organization=into.organization, group=into, person=person, member_group=inner, object_guid=guid
    )


def somebody(organization: Organization, forest: Forest, guid: UUID | None = None) -> Person:
    return directory_person(
        organization=organization, forest=forest, object_guid=guid or uuid4(), user_id="ana@example.test"
    )


def test_a_person_is_in_their_groups_and_in_what_those_are_in(organization: Organization) -> None:
    forest = Forest.objects.create(organization=organization, name="corp.test")
    person = somebody(organization, forest)
    team, department, everybody, other = (group(organization, n, forest) for n in ("team", "dep", "all", "other"))
    own = group(organization, "of the portal")
    put(team, guid=person.object_guid)
    put(department, guid=team.object_guid)
    put(everybody, guid=department.object_guid)
    put(other, guid=uuid4())
    put(own, inner=everybody)
    assert groups_of(person) == {team.id, department.id, everybody.id, own.id}


def test_groups_that_contain_each_other_are_harmless(organization: Organization) -> None:
    forest = Forest.objects.create(organization=organization, name="corp.test")
    person = somebody(organization, forest)
    one, two = group(organization, "one", forest), group(organization, "two", forest)
    put(one, guid=person.object_guid)
    put(one, guid=two.object_guid)
    put(two, guid=one.object_guid)
    assert groups_of(person) == {one.id, two.id}


def test_a_cloud_person_is_in_the_portals_own_groups(organization: Organization, ana: Person) -> None:
    inner, outer = group(organization, "inner"), group(organization, "outer")
    put(inner, person=ana)
    put(outer, inner=inner)
    assert groups_of(ana) == {inner.id, outer.id}


def test_a_membership_counts_in_its_own_forest_and_organization_only(
    organization: Organization, make_organization: Callable[..., Organization]
) -> None:
    here = Forest.objects.create(organization=organization, name="corp.test")
    there = Forest.objects.create(organization=organization, name="other.test")
    foreign = make_organization("Other Ltd")
    person = somebody(organization, here)
    put(group(organization, "another forest's", there), guid=person.object_guid)
    put(group(foreign, "another organization's"), person=person)
    assert groups_of(person) == frozenset()


def test_a_group_that_was_removed_from_the_directory_covers_nobody(organization: Organization, ana: Person) -> None:
    gone = group(organization, "gone")
    put(gone, person=ana)
    Group.objects.update(removed_at=organization.created_at)
    assert groups_of(ana) == frozenset()
