"""One search reads all that a decision about an account needs."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from tests.lab.directory.conftest import NewAccount

from keyback.directory import (
    Account,
    Connection,
    errors,
    find_account,
    people_called,
    read_account,
    read_back,
    read_domain,
)
from lab import Forest, api
from lab.people import INITIAL_PASSWORD, Kind, person

pytestmark = pytest.mark.lab

FLAGS = (
    "disabled",
    "locked_out",
    "must_change",
    "password_expired",
    "never_expires",
    "smart_card_required",
    "cannot_change",
)


def flags(account: Account) -> set[str]:
    return {name for name in FLAGS if getattr(account, name)}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Kind.ORDINARY, set()),
        (Kind.DISABLED, {"disabled"}),
        (Kind.LOCKED, {"locked_out"}),
        (Kind.PASSWORD_EXPIRED, {"password_expired"}),
        (Kind.MUST_CHANGE, {"must_change", "password_expired"}),
        (Kind.NEVER_EXPIRES, {"never_expires"}),
        (Kind.CANNOT_CHANGE, {"cannot_change"}),
        (Kind.UNKNOWN_PASSWORD, set()),
        (Kind.NESTED_ADMIN, set()),
    ],
)
def test_the_state_of_each_kind_of_person_is_told(
    connection: Connection, new_account: NewAccount, kind: Kind, expected: set[str]
) -> None:
    _, guid = new_account(kind)
    assert flags(read_account(connection, guid)) == expected


def test_an_account_that_needs_a_smart_card_is_told(
    forest: Forest, connection: Connection, new_account: NewAccount
) -> None:
    somebody, guid = new_account()
    api.set_attributes(forest, somebody.account, {"userAccountControl": 0x200 | 0x40000})
    assert "smart_card_required" in flags(read_account(connection, guid))


def test_names_and_numbers_are_read(forest: Forest, connection: Connection) -> None:
    account = read_account(connection, find_account(connection, "jorg"))
    row = person("jorg")
    assert (account.sam, account.display_name) == ("jorg", row.display_name)
    assert (account.given_name, account.surname) == (row.given, row.surname)
    assert account.upn == f"jorg@{forest.dns_domain}"
    assert account.names.display_name == row.display_name
    assert account.is_person
    assert account.dn.lower().endswith(forest.people_dn.lower())
    with forest.administrator() as directory:
        assert account.sid == directory.sid(account.dn)
        values = directory.read(account.dn, "objectGUID")
    assert account.guid.bytes_le == values["objectGUID"][0]


def test_times_are_the_directorys_own(connection: Connection, new_account: NewAccount) -> None:
    _, ordinary = new_account()
    account = read_account(connection, ordinary)
    assert account.account_expires is None
    assert account.lockout_time is None
    assert account.pwd_last_set is not None
    assert abs((account.pwd_last_set - connection.server_time()).total_seconds()) < 60
    _, expired = new_account(Kind.EXPIRED)
    expires = read_account(connection, expired).account_expires
    assert expires is not None
    assert expires < datetime.now(UTC)


def test_failed_sign_ins_are_counted(forest: Forest, connection: Connection, new_account: NewAccount) -> None:
    somebody, guid = new_account()
    assert api.bind(forest, somebody.account, "wrong") == "52e"
    assert read_account(connection, guid).bad_pwd_count == 1
    assert api.bind(forest, somebody.account, INITIAL_PASSWORD) == ""
    assert read_account(connection, guid).bad_pwd_count == 0


def test_nested_groups_are_in_the_token(forest: Forest, connection: Connection) -> None:
    account = read_account(connection, find_account(connection, "ada"))
    with forest.administrator() as directory:
        engineering = directory.sid(directory.find("Engineering"))
        outer = directory.sid(directory.find("Password Reset Users"))
    assert {engineering, outer} <= account.token_group_sids


def test_the_version_agrees_with_what_the_administrator_sees(
    forest: Forest, connection: Connection, new_account: NewAccount
) -> None:
    somebody, guid = new_account()
    api.set_password(forest, somebody.account, "Something-Else-1")
    seen = read_account(connection, guid).versions
    assert seen.unicode_pwd == api.password_version(forest, somebody.account)
    assert read_back(connection, guid).versions == seen


@pytest.mark.parametrize("spelling", ["sofia", "SOFIA", "sofia@staff.{dns}"])
def test_an_account_is_found_by_both_its_names(forest: Forest, connection: Connection, spelling: str) -> None:
    guid = find_account(connection, spelling.format(dns=forest.dns_domain))
    assert read_account(connection, guid).sam == "sofia"


@pytest.mark.parametrize("name", ["nobody", "*", "a*", "ada)(objectClass=*", "\\", "", "ad\0a"])
def test_no_text_reaches_beyond_the_name(connection: Connection, name: str) -> None:
    with pytest.raises(errors.NotFound):
        find_account(connection, name)
    assert people_called(connection, read_domain(connection), name) == []


def test_an_unknown_guid_is_not_found(connection: Connection) -> None:
    with pytest.raises(errors.NotFound):
        read_account(connection, uuid4())
    with pytest.raises(errors.NotFound):
        read_back(connection, uuid4())


def test_a_deleted_account_is_not_found(forest: Forest, connection: Connection, new_account: NewAccount) -> None:
    somebody, guid = new_account()
    api.delete_person(forest, somebody.account)
    with pytest.raises(errors.NotFound):
        read_account(connection, guid)


def test_what_is_no_account_is_not_found(forest: Forest, connection: Connection) -> None:
    with forest.administrator() as directory:
        values = directory.read(forest.people_dn, "objectGUID")
    with pytest.raises(errors.NotFound):
        read_account(connection, UUID(bytes_le=values["objectGUID"][0]))
