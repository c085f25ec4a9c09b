"""Everybody in the table is what the table says, as seen by real clients and by the service account."""

from collections.abc import Callable

import ldap
import pytest
from tests.lab.service import Service

from lab import api
from lab._directory import open_ldap, password_value
from lab.forest import Forest
from lab.people import INITIAL_PASSWORD, PEOPLE, Kind, Person, of_kind

# Kind → what kinit says to the initial password, what an LDAP bind says.
SIGN_IN = {
    Kind.DISABLED: (api.SignIn.REVOKED, "533"),
    Kind.LOCKED: (api.SignIn.REVOKED, "775"),
    Kind.EXPIRED: (api.SignIn.REVOKED, "701"),
    Kind.PASSWORD_EXPIRED: (api.SignIn.PASSWORD_EXPIRED, "532"),
    Kind.MUST_CHANGE: (api.SignIn.PASSWORD_EXPIRED, "773"),
    Kind.WITHOUT_PASSWORD: (api.SignIn.NO_PASSWORD, "52e"),
    Kind.UNKNOWN_PASSWORD: (api.SignIn.WRONG_PASSWORD, "52e"),
}


def test_there_is_somebody_of_every_kind() -> None:
    assert {row.kind for row in PEOPLE} == set(Kind)


@pytest.mark.parametrize("row", [of_kind(kind) for kind in Kind], ids=lambda row: row.kind.name.lower())
def test_sign_in_answers_as_the_kind_says(forest: Forest, row: Person) -> None:
    kerberos, bind = SIGN_IN.get(row.kind, (api.SignIn.OK, ""))
    assert api.kinit(forest, row.account, INITIAL_PASSWORD) is kerberos
    assert api.bind(forest, row.account, INITIAL_PASSWORD) == bind


@pytest.mark.parametrize("kind", list(Kind), ids=lambda kind: kind.name.lower())
def test_a_new_person_is_like_the_one_of_the_table(
    forest: Forest, new_person: Callable[..., Person], kind: Kind
) -> None:
    row = new_person(kind)
    expected = SIGN_IN.get(kind, (api.SignIn.OK, ""))
    assert (
        api.kinit(forest, row.account, INITIAL_PASSWORD),
        api.bind(forest, row.account, INITIAL_PASSWORD),
    ) == expected


def test_every_upn_signs_in(forest: Forest) -> None:
    for account in ("ada", *(row.account for row in PEOPLE if row.kind is Kind.OTHER_SUFFIX)):
        upn = api.get_attributes(forest, account, "userPrincipalName")["userPrincipalName"][0].decode()
        assert api.kinit(forest, upn, INITIAL_PASSWORD) is api.SignIn.OK


def test_nested_membership_shows_in_the_token_only(forest: Forest) -> None:
    service = Service(forest)
    values = service.read(service.dn(of_kind(Kind.NESTED_ADMIN).account), "adminCount", "tokenGroups")
    backup_operators = b"\x01\x02\x00\x00\x00\x00\x00\x05" + (32).to_bytes(4, "little") + (551).to_bytes(4, "little")
    assert backup_operators in values["tokenGroups"]
    assert "adminCount" not in values


def test_the_fine_grained_policy_applies_and_can_be_read(forest: Forest) -> None:
    service = Service(forest)
    person = service.read(service.dn(of_kind(Kind.FINE_GRAINED).account), "msDS-ResultantPSO")
    policy = service.read(person["msDS-ResultantPSO"][0].decode(), "msDS-MinimumPasswordLength")
    assert policy["msDS-MinimumPasswordLength"] == [b"14"]
    assert "msDS-ResultantPSO" not in service.read(service.dn("ada"), "msDS-ResultantPSO")


@pytest.mark.parametrize("kind", list(Kind), ids=lambda kind: kind.name.lower())
def test_reset_brings_a_person_back_whatever_was_done(forest: Forest, kind: Kind) -> None:
    row = of_kind(kind)
    before = api.get_attributes(forest, row.account, "objectGUID", "userAccountControl", "mail", "memberOf")
    api.set_attributes(forest, row.account, {"accountExpires": 1, "mail": "changed@example.test"})
    api.set_password(forest, row.account, "Quite-Different-9")
    api.set_admin_count(forest, row.account, True)
    api.add_to_group(forest, row.account, "Password Reset Users")
    api.deny_right(forest, "reset-password", row.account)

    api.reset_person(forest, row.account)

    after = api.get_attributes(forest, row.account, "objectGUID", "userAccountControl", "mail", "memberOf")
    if kind is Kind.WITHOUT_PASSWORD:  # made anew
        del before["objectGUID"], after["objectGUID"]
    assert after == before
    assert api.bind(forest, row.account, INITIAL_PASSWORD) == SIGN_IN.get(kind, (api.SignIn.OK, ""))[1]
    assert ("adminCount" in api.get_attributes(forest, row.account, "adminCount")) == (kind is Kind.ADMIN_COUNT)
    if kind not in (Kind.ADMIN_COUNT, Kind.OUTSIDE):
        Service(forest).reset(row.account, "Quite-Different-10", hints=False)
        api.reset_person(forest, row.account)


def test_who_cannot_change_the_password_is_refused_by_the_directory(forest: Forest) -> None:
    row = of_kind(Kind.CANNOT_CHANGE)
    connection = open_ldap(forest.ldaps_url, forest.ca_file)
    connection.simple_bind_s(f"{row.account}@{forest.dns_domain}", INITIAL_PASSWORD)
    change = [
        (ldap.MOD_DELETE, "unicodePwd", [password_value(INITIAL_PASSWORD)]),
        (ldap.MOD_ADD, "unicodePwd", [password_value("Mine-to-choose-1")]),
    ]
    with pytest.raises(ldap.CONSTRAINT_VIOLATION, match="error in module acl"):  # not 50, as for other rights
        connection.modify_s(Service(forest).dn(row.account), change)
