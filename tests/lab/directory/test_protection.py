"""Who is never written is told from the account itself, whatever is asked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.lab.directory.conftest import NewAccount

from keyback.directory import Connection, Guard, Reason, Refusal, find_account, read_account
from lab import Forest, api
from lab.people import Kind

pytestmark = pytest.mark.lab


def refusal(connection: Connection, guard: Guard, guid: UUID) -> Refusal | None:
    return guard.refusal(read_account(connection, guid), connection.server_time())


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Kind.ORDINARY, None),
        (Kind.LOCKED, None),
        (Kind.PASSWORD_EXPIRED, None),
        (Kind.MUST_CHANGE, None),
        (Kind.NEVER_EXPIRES, None),
        (Kind.UNKNOWN_PASSWORD, None),
        (Kind.DISABLED, Reason.DISABLED),
        (Kind.EXPIRED, Reason.ACCOUNT_EXPIRED),
        (Kind.CANNOT_CHANGE, Reason.CANNOT_CHANGE),
        (Kind.ADMIN_COUNT, Reason.ADMIN_COUNT),
        (Kind.NESTED_ADMIN, Reason.PROTECTED_GROUP),
        (Kind.OUTSIDE, Reason.OUT_OF_SCOPE),
    ],
)
def test_each_kind_of_person_is_written_or_refused_for_its_reason(
    connection: Connection, guard: Guard, new_account: NewAccount, kind: Kind, reason: Reason | None
) -> None:
    _, guid = new_account(kind)
    found = refusal(connection, guard, guid)
    assert (found.reason if found else None) == reason


def test_a_smart_card_account_is_refused(
    forest: Forest, connection: Connection, guard: Guard, new_account: NewAccount
) -> None:
    person, guid = new_account()
    api.set_attributes(forest, person.account, {"userAccountControl": 0x200 | 0x40000})
    found = refusal(connection, guard, guid)
    assert found == Refusal(Reason.SMART_CARD_REQUIRED)
    assert not found.protected


@pytest.mark.parametrize(
    "group",
    [
        "Domain Admins",
        "Schema Admins",
        "Enterprise Admins",
        "Administrators",
        "Account Operators",
        "Server Operators",
        "Print Operators",
        "Backup Operators",
        "Replicator",
    ],
)
def test_a_member_is_refused_at_once_before_admin_count_says_so(
    forest: Forest, connection: Connection, guard: Guard, new_account: NewAccount, group: str
) -> None:
    person, guid = new_account()
    assert refusal(connection, guard, guid) is None
    api.add_to_group(forest, person.account, group)
    assert read_account(connection, guid).admin_count == 0
    found = refusal(connection, guard, guid)
    assert found is not None
    assert (found.reason, found.protected) == (Reason.PROTECTED_GROUP, True)
    assert found.detail.startswith(group)


@pytest.mark.parametrize(
    ("account", "reason"),
    [
        ("Administrator", Reason.BUILTIN_ADMINISTRATOR),
        ("krbtgt", Reason.KRBTGT),
        ("svc-keyback", Reason.SERVICE_ACCOUNT),
        ("DC1$", Reason.NOT_A_PERSON),
    ],
)
def test_the_accounts_that_run_the_domain_are_refused_wherever_the_scope_ends(
    forest: Forest, connection: Connection, guard: Guard, account: str, reason: Reason
) -> None:
    with forest.administrator() as directory:
        values = directory.read(directory.find(account), "objectGUID")
    everything = replace(guard, bases=(forest.base_dn,))
    found = refusal(connection, everything, UUID(bytes_le=values["objectGUID"][0]))
    assert found is not None
    assert (found.reason, found.protected) == (reason, True)


def test_the_operators_own_list_counts_by_sid_by_group_and_by_dn(
    forest: Forest, connection: Connection, guard: Guard
) -> None:
    ada, noor = (find_account(connection, name) for name in ("ada", "noor"))
    own = read_account(connection, ada)
    with forest.administrator() as directory:
        outer = directory.sid(directory.find("Password Reset Users"))
    for listed in (
        replace(guard, listed_sids=frozenset({own.sid})),
        replace(guard, listed_sids=frozenset({outer})),
        replace(guard, listed_dns=frozenset({own.dn.upper()})),
    ):
        found = refusal(connection, listed, ada)
        assert found is not None
        assert (found.reason, found.protected) == (Reason.LISTED, True)
        assert refusal(connection, listed, noor) is None
    assert refusal(connection, replace(guard, listed_dns=frozenset({forest.people_dn})), noor) is not None


@pytest.mark.parametrize(
    ("base", "inside"),
    [
        ("OU=People,{base}", True),
        ("ou=people , {base}", True),
        (r"OU=\50eople,{base}", True),
        ("{base}", True),
        ("OU=Peopl,{base}", False),
        ("OU=Groups,{base}", False),
        ("CN=King\\, Augusta \\+ Co. \\#1,OU=People,{base}", True),
        ("DC=other,DC=test", False),
    ],
)
def test_the_scope_does_not_depend_on_how_it_is_spelled(
    forest: Forest, connection: Connection, guard: Guard, base: str, inside: bool
) -> None:
    augusta = find_account(connection, "augusta")
    scoped = replace(guard, bases=(base.format(base=forest.base_dn),))
    found = refusal(connection, scoped, augusta)
    assert (found is None) is inside
    assert found is None or found.reason is Reason.OUT_OF_SCOPE


@pytest.mark.parametrize(
    "slip",
    [
        {"listed_sids": frozenset({"S-1-5-21-1-2-3-"})},
        {"listed_sids": frozenset({"ada"})},
        {"listed_sids": frozenset({""})},
        {"listed_dns": frozenset({"ada"})},
        {"listed_dns": frozenset({""})},
        {"bases": ("OU=People;DC",)},
        {"bases": ("",)},
    ],
)
def test_a_slip_in_the_list_or_the_scope_is_refused(guard: Guard, slip: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="is not a"):
        replace(guard, **slip)


def test_without_a_scope_nobody_is_written(connection: Connection, guard: Guard) -> None:
    found = refusal(connection, replace(guard, bases=()), find_account(connection, "ada"))
    assert found is not None
    assert found.reason is Reason.OUT_OF_SCOPE


def test_an_account_expires_on_the_directorys_clock(connection: Connection, guard: Guard) -> None:
    account = read_account(connection, find_account(connection, "ada"))
    now = connection.server_time()
    leaving = replace(account, account_expires=now + timedelta(seconds=1))
    assert guard.refusal(leaving, now) is None
    found = guard.refusal(leaving, now + timedelta(seconds=1))
    assert found is not None
    assert (found.reason, found.protected) == (Reason.ACCOUNT_EXPIRED, False)
