"""Whom a typed user ID names, and what that costs."""

from collections.abc import Callable
from datetime import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from keyback.portal.organizations import setup
from keyback.portal.organizations.lookup import NoOrganization, normalise_user_id, resolve
from keyback.portal.organizations.models import Organization
from keyback.portal.organizations.setup import SetupRefused
from keyback.portal.people.create import PersonRefused, create_cloud_person
from keyback.portal.people.models import Person, Spelling


@pytest.mark.parametrize(
    ("typed", "normal"),
    [
        ("ana@example.test", "ana@example.test"),
        ("  Ana@Example.TEST\t", "ana@example.test"),
        ("ＡＮＡ@example.test", "ana@example.test"),
        ("STRASSE@example.test", "strasse@example.test"),
        ("Straße@example.test", "strasse@example.test"),
        ("EXAMPLE\\Ana", "example\\ana"),
        ("O'Brien", "o'brien"),
    ],
)
def test_spellings_are_compared_in_one_form(typed: str, normal: str) -> None:
    assert normalise_user_id(typed) == normal
    assert normalise_user_id(normal) == normal


@pytest.mark.parametrize(
    "typed", ["", "   ", "a" * 257, "ana\x00", "ana\r\nBcc: x", "a\u202ena", "\ud800", "\ufdfa" * 20]
)
def test_what_cannot_be_a_user_id_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match="user ID"):
        normalise_user_id(typed)


def test_the_domain_names_the_organization(
    organization: Organization, make_organization: Callable[..., Organization]
) -> None:
    other = make_organization("Other Ltd", "other.test")
    assert resolve("ana@OTHER.test")[0] == other
    assert resolve("ana@example.test")[0] == organization


@pytest.mark.parametrize("typed", ["ana@hotmail.test", "ana", "EXAMPLE\\ana", "@", "ana@", "a@b@hotmail.test"])
def test_an_unknown_domain_or_none_walks_on_in_the_default_organization(organization: Organization, typed: str) -> None:
    assert resolve(typed) == (organization, None)


def test_a_domain_counts_only_once_it_is_verified(organization: Organization, now: datetime) -> None:
    other = setup.create("Other Ltd", by="operator:test", now=now)
    domain = setup.add_domain(other, "other.test", by="operator:test", now=now)
    assert resolve("ana@other.test")[0] == organization
    setup.verify_domain(domain, by="operator:test", how="operator", now=now)
    assert resolve("ana@other.test")[0] == other


def test_any_spelling_finds_the_same_person(ana: Person) -> None:
    Spelling.objects.create(organization_id=ana.organization_id, text="example\\ana", person=ana)
    Spelling.objects.create(organization_id=ana.organization_id, text="ana", person=ana)
    assert {resolve(text)[1] for text in ("Ana@example.test", "EXAMPLE\\Ana", "ANA")} == {ana}


def test_a_spelling_that_names_two_people_names_nobody(organization: Organization, ana: Person, now: datetime) -> None:
    ben = create_cloud_person(organization, "ben@example.test", by="operator:test", now=now)
    for person in (ana, ben):
        Spelling.objects.create(organization=organization, text="office", person=person)
    assert resolve("office") == (organization, None)


def test_a_disabled_or_removed_person_is_nobody(organization: Organization, ana: Person, now: datetime) -> None:
    Person.objects.filter(pk=ana.pk).update(enabled=False)
    assert resolve("ana@example.test") == (organization, None)
    Person.objects.filter(pk=ana.pk).update(enabled=True, removed_at=now)
    assert resolve("ana@example.test") == (organization, None)


def test_another_organizations_spelling_names_nobody_here(
    ana: Person, make_organization: Callable[..., Organization]
) -> None:
    other = make_organization("Other Ltd", "other.test")
    Spelling.objects.create(organization=other, text="ana@example.test", person=ana)
    ana.spellings.filter(organization_id=ana.organization_id).delete()
    assert resolve("ana@example.test")[1] is None


def test_known_and_unknown_cost_the_same_queries(ana: Person) -> None:
    counts = []
    for typed in ("ana@example.test", "nobody@example.test", "ana@hotmail.test", "nobody", "EXAMPLE\\nobody"):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            resolve(typed)
        counts.append(len(queries))
    assert counts == [2] * 5


@pytest.mark.django_db
def test_an_instance_without_an_organization_says_so() -> None:
    with pytest.raises(NoOrganization):
        resolve("ana@example.test")


# --- what the operator sets up


def test_the_first_organization_is_the_default_one_and_has_a_policy(
    organization: Organization, make_organization: Callable[..., Organization]
) -> None:
    other = make_organization("Other Ltd")
    assert (organization.is_default, other.is_default) == (True, False)
    assert organization.policies.get().methods == ["email"]


def test_a_domain_belongs_to_one_organization(organization: Organization, now: datetime) -> None:
    other = setup.create("Other Ltd", by="operator:test", now=now)
    with pytest.raises(SetupRefused, match=r"example\.test belongs to an organization already"):
        setup.add_domain(other, "EXAMPLE.test.", by="operator:test", now=now)


@pytest.mark.parametrize(
    "text",
    ["", "localhost", "exa mple.test", "-a.test", "a..test", "ana@example.test", "x" * 64 + ".test", "\x00.test"],
)
def test_what_is_no_domain_name_is_refused(organization: Organization, now: datetime, text: str) -> None:
    with pytest.raises(SetupRefused):
        setup.add_domain(organization, text, by="operator:test", now=now)


def test_an_administrators_address_stands_encrypted_in_the_database(organization: Organization) -> None:
    row = setup.add_administrator(organization, "Olga", "olga@example.test")
    assert "olga" not in row.mail
    assert setup.administrators(organization) == [(row, "olga@example.test")]


@pytest.mark.parametrize("user_id", ["ana@example.test", "ANA@example.test", "ben@other.test", "ben", ""])
def test_a_cloud_person_needs_a_free_user_id_of_a_verified_domain(ana: Person, now: datetime, user_id: str) -> None:
    with pytest.raises(PersonRefused):
        create_cloud_person(ana.organization, user_id, by="operator:test", now=now)
