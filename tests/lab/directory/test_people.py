"""Synchronisation reads everybody, page by page, as the directory has them."""

from __future__ import annotations

import base64
import os
import select
import socket
from uuid import UUID

import ldap
import pytest
from tests.lab.directory.conftest import NewAccount

from keyback.directory import Connection, Contacts, DirectoryPerson, Shape, errors, people, read_domain
from lab import Forest, api
from lab.people import INITIAL_PASSWORD, PEOPLE, Kind, Person, alternative_suffixes, person

pytestmark = pytest.mark.lab

WITHIN = [row for row in PEOPLE if row.kind is not Kind.OUTSIDE]


def everybody(connection: Connection, base: str, **options: object) -> dict[str, DirectoryPerson]:
    domain = read_domain(connection)
    found = list(people(connection, domain, base, **options))  # type: ignore[arg-type]  # as people() takes them
    assert len({each.guid for each in found}) == len(found)
    return {each.sam: each for each in found}


def test_the_domain_is_described(forest: Forest, connection: Connection) -> None:
    domain = read_domain(connection)
    assert (domain.dns_name, domain.netbios_name) == (forest.dns_domain, forest.netbios)
    assert domain.dn.lower() == forest.base_dn.lower()
    assert set(domain.upn_suffixes) == set(alternative_suffixes(forest.dns_domain))


@pytest.mark.parametrize("page_size", [1, 7, 1000])
def test_everybody_of_the_base_arrives_once_whatever_the_page(
    forest: Forest, connection: Connection, page_size: int
) -> None:
    found = everybody(connection, forest.people_dn, page_size=page_size)
    assert set(found) == {row.account for row in WITHIN}


def test_computers_services_and_other_places_stay_away(forest: Forest, connection: Connection) -> None:
    found = everybody(connection, forest.base_dn)
    assert "DC1$" not in found
    assert "oskar" in found
    assert "oskar" not in everybody(connection, forest.people_dn)


@pytest.mark.parametrize("row", WITHIN, ids=lambda row: row.account)
def test_each_person_arrives_as_the_directory_has_them(forest: Forest, connection: Connection, row: Person) -> None:
    expected = person(row.account)
    found = everybody(connection, forest.people_dn, filter=f"(sAMAccountName={expected.account})")[expected.account]
    assert (found.display_name, found.given_name, found.surname) == (
        expected.display_name,
        expected.given,
        expected.surname,
    )
    assert found.mails == ((expected.mail_address,) if expected.mail_address else ())
    assert found.mobile == expected.mobile
    assert found.enabled is (expected.kind is not Kind.DISABLED)
    assert UUID(bytes_le=base64.b64decode(found.anchor)) == found.guid


def test_every_spelling_of_a_user_id_is_known(forest: Forest, connection: Connection) -> None:
    sofia = everybody(connection, forest.people_dn, filter="(sAMAccountName=sofia)")["sofia"]
    assert sofia.user_id == f"sofia@staff.{forest.dns_domain}"
    assert set(sofia.spellings) == {
        f"sofia@{forest.dns_domain}",
        f"{forest.netbios.lower()}\\sofia",
        "sofia@example.test",
    }


def test_without_a_principal_name_the_implicit_one_is_the_user_id(
    forest: Forest, connection: Connection, new_account: NewAccount
) -> None:
    somebody, _ = new_account()
    with forest.administrator() as directory:
        name = (ldap.MOD_DELETE, "userPrincipalName", None)
        directory._ldap.modify_s(directory.find(somebody.account), [name])
    found = everybody(connection, forest.people_dn)[somebody.account]
    assert (found.upn, found.user_id) == (None, f"{somebody.account}@{forest.dns_domain}")
    assert api.bind(forest, found.user_id, INITIAL_PASSWORD) == ""


def test_another_anchor_is_taken_where_it_is_set(
    forest: Forest, connection: Connection, new_account: NewAccount
) -> None:
    somebody, _ = new_account()
    api.set_attributes(forest, somebody.account, {"mS-DS-ConsistencyGuid": b"0123456789abcdef"})
    found = everybody(connection, forest.people_dn, shape=Shape("mS-DS-ConsistencyGuid"))
    assert base64.b64decode(found[somebody.account].anchor) == b"0123456789abcdef"
    assert UUID(bytes_le=base64.b64decode(found["ada"].anchor)) == found["ada"].guid


def test_other_contact_data_arrives(forest: Forest, connection: Connection, new_account: NewAccount) -> None:
    somebody, _ = new_account()
    values = {"telephoneNumber": "+49 30 1234", "otherMailbox": ["a@home.test", "b@home.test"]}
    api.set_attributes(forest, somebody.account, values)
    found = everybody(connection, forest.people_dn)[somebody.account]
    assert found.office_phone == "+49 30 1234"
    assert set(found.mails) == {somebody.mail_address, "a@home.test", "b@home.test"}


def test_which_attributes_reach_a_person_is_a_table(
    forest: Forest, connection: Connection, new_account: NewAccount
) -> None:
    somebody, _ = new_account(mobile="+49 170 1")
    api.set_attributes(forest, somebody.account, {"homePhone": "+49 30 77", "otherMailbox": ["a@home.test"]})
    shape = Shape(contacts=Contacts(mail=("otherMailbox",), mobile=("pager", "homePhone", "mobile"), office_phone=()))
    found = everybody(connection, forest.people_dn, shape=shape)[somebody.account]
    assert (found.mails, found.mobile, found.office_phone) == (("a@home.test",), "+49 30 77", "")


def test_nobody_is_held_back_until_the_end(forest: Forest, connection: Connection) -> None:
    iteration = people(connection, read_domain(connection), forest.people_dn, page_size=5)
    first = next(iteration)
    assert first.sam in {row.account for row in WITHIN}
    assert not connection.broken
    assert len(list(iteration)) == len(WITHIN) - 1


def test_the_next_page_is_on_its_way_before_anybody_of_the_first_is_handed_out(
    forest: Forest, connection: Connection
) -> None:
    iteration = people(connection, read_domain(connection), forest.people_dn, page_size=5)
    next(iteration)
    arriving, _, _ = select.select([connection._link.fileno()], [], [], 10)
    assert arriving
    assert len(list(iteration)) == len(WITHIN) - 1


def test_a_page_that_does_not_come_is_told_after_the_people_of_the_page_before(
    forest: Forest, connection: Connection
) -> None:
    found = people(connection, read_domain(connection), forest.people_dn, page_size=5)
    first = [next(found)]
    with socket.socket(fileno=os.dup(connection._link.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)
    first += [next(found) for _ in range(4)]
    with pytest.raises(errors.Unreachable):
        next(found)
    assert {each.sam for each in first} < {row.account for row in WITHIN}
    assert connection.broken


def test_a_connection_is_not_used_again_while_a_page_is_on_its_way(forest: Forest, connection: Connection) -> None:
    found = people(connection, read_domain(connection), forest.people_dn, page_size=5)
    next(found)
    found.close()  # type: ignore[attr-defined]  # a generator
    assert connection.broken
    with pytest.raises(errors.Unreachable):
        connection.search("", ["dnsHostName"])


def test_a_base_that_is_gone_is_told(forest: Forest, connection: Connection) -> None:
    with pytest.raises(errors.NotFound):
        everybody(connection, f"OU=Gone,{forest.base_dn}")


def test_a_filter_that_is_none_is_told(forest: Forest, connection: Connection) -> None:
    with pytest.raises(errors.Unforeseen):
        everybody(connection, forest.people_dn, filter="(cn=")
