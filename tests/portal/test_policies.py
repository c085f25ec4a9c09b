"""Which policy covers a person: the first whose groups they are in, also through other groups."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from keyback.portal.organizations import setup
from keyback.portal.organizations.models import Organization
from keyback.portal.people.models import Group, GroupMember, Person, Policy
from keyback.portal.people.policies import explain, organization_methods, policy_for


def group(organization: Organization, name: str, *members: Person | Group) -> Group:
    made = Group.objects.create(organization=organization, name=name)
    for member in members:
        field = "person" if isinstance(member, Person) else "member_group"
        GroupMember.objects.create(organization=organization, group=made, **{field: member})
    return made


def policy(
    organization: Organization, name: str, position: int, groups: list[Group] | None, **values: object
) -> Policy:
    ids = None if groups is None else [str(one.id) for one in groups]
    return Policy.objects.create(organization=organization, name=name, position=position, groups=ids, **values)


def covering(organization: Organization, person: Person | None) -> str | None:
    found = policy_for(organization, person)
    return found.name if found else None


def test_the_first_that_covers_a_person_counts(organization: Organization, ana: Person) -> None:
    staff = group(organization, "Staff", ana)
    Policy.objects.update(position=5)
    policy(organization, "Nobody", 0, [])
    policy(organization, "Others", 1, [group(organization, "Others")])
    policy(organization, "Staff", 2, [staff])
    policy(organization, "Staff again", 3, [staff])
    assert covering(organization, ana) == "Staff"
    assert [(look.policy.name, look.covers, look.why) for look in explain(organization, ana)] == [
        ("Nobody", False, "not_a_member"),
        ("Others", False, "not_a_member"),
        ("Staff", True, "member"),
    ]
    assert covering(organization, None) == "Everybody"


def test_a_policy_that_switches_reset_off_is_an_exception_to_those_after_it(
    organization: Organization, ana: Person
) -> None:
    Policy.objects.update(position=5)
    policy(organization, "Board", 0, [group(organization, "Board", ana)], reset=False)
    found = policy_for(organization, ana)
    assert found is not None and not found.reset


def test_a_group_covers_the_members_of_its_groups_and_groups_that_contain_each_other_end(
    organization: Organization, ana: Person
) -> None:
    inner = group(organization, "Inner", ana)
    middle = group(organization, "Middle", inner)
    outer = group(organization, "Outer", middle)
    GroupMember.objects.create(organization=organization, group=inner, member_group=outer)
    Policy.objects.update(groups=[str(outer.id)])
    assert covering(organization, ana) == "Everybody"


def test_a_group_that_is_gone_covers_nobody_and_never_everybody(organization: Organization, ana: Person) -> None:
    staff = group(organization, "Staff", ana)
    Policy.objects.update(groups=[str(staff.id)])
    staff.delete()
    assert covering(organization, ana) is None


def test_another_organizations_group_covers_nobody(
    organization: Organization, ana: Person, make_organization: Callable[..., Organization]
) -> None:
    other = make_organization("Other Ltd", "other.test")
    theirs = group(other, "Staff")
    # Even where a row was bent so that ana is in it.
    GroupMember.objects.create(organization=other, group=theirs, person=ana)
    Policy.objects.filter(organization=organization).update(groups=[str(theirs.id)])
    assert covering(organization, ana) is None
    with pytest.raises(ValueError, match="their own organization"):
        policy_for(other, ana)


def test_with_selected_only_policies_that_name_groups_count(organization: Organization, ana: Person) -> None:
    setup.change(organization, {"reset_scope": "selected"}, by="operator:test", now=organization.created_at)
    assert covering(organization, ana) is None
    assert organization_methods(organization) == []
    policy(organization, "Staff", 1, [group(organization, "Staff", ana)], methods=["sms"])
    assert covering(organization, ana) == "Staff"
    assert organization_methods(organization) == ["sms"]


def test_an_administrator_needs_two_proofs_and_no_questions(organization: Organization, ana: Person) -> None:
    Policy.objects.update(methods=["questions", "email", "sms"])
    setup.add_administrator(organization, "Ana", "ANA@example.test", role="auditor")
    found = policy_for(organization, ana)
    assert found is not None
    assert (found.gates, found.methods) == (2, ["email", "sms"])
    assert Policy.objects.get().gates == 1
    ordinary = policy_for(organization, None)
    assert ordinary is not None and ordinary.gates == 1


def test_an_administrator_is_known_by_an_address_on_file_or_by_being_named(
    organization: Organization, ana: Person
) -> None:
    from keyback.portal.people.contacts import add_mail

    now = organization.created_at
    add_mail(ana, "Ana.Private@mail.test", origin="registered", by="self", now=now)
    setup.add_administrator(organization, "A", "ana.private@mail.test", by="operator:test", now=now)
    assert policy_for(organization, ana).gates == 2  # type: ignore[union-attr]
    setup.remove_administrator(organization, "ana.private@mail.test", by="operator:test", now=now)
    assert policy_for(organization, ana).gates == 1  # type: ignore[union-attr]
    setup.add_administrator(organization, "A", "it@elsewhere.test", person=ana, by="operator:test", now=now)
    assert policy_for(organization, ana).gates == 2  # type: ignore[union-attr]


def test_an_unknown_person_costs_the_same_queries(organization: Organization, ana: Person) -> None:
    policy(organization, "Staff", 0, [group(organization, "Staff")])

    def queries(person: Person | None) -> int:
        with CaptureQueriesContext(connection) as captured:
            policy_for(organization, person)
        return len(captured)

    assert queries(ana) == queries(None)
