"""The policy that counts is the one the directory would apply."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.lab.directory.conftest import NewAccount

from keyback.directory import Connection, Policies, errors, find_account, minimum_age_ends, read_account
from keyback.directory.connection import connect
from keyback.passwords import DirectoryPolicy
from lab import Forest, api
from lab.people import FINE_GRAINED, FineGrainedPolicy, Kind

pytestmark = pytest.mark.lab

Change = Callable[..., None]


def effective(connection: Connection, account: str) -> DirectoryPolicy:
    found = read_account(connection, find_account(connection, account))
    return Policies().effective(connection, found)


def test_the_domains_policy_applies_where_no_other_does(connection: Connection, policy: Change) -> None:
    policy(min_age=90, max_age=86400, history=5, length=11, complexity=False, lockout_threshold=7)
    assert effective(connection, "ada") == DirectoryPolicy(
        min_length=11,
        history=5,
        min_age=timedelta(seconds=90),
        max_age=timedelta(days=1),
        complexity=False,
        lockout_threshold=7,
        name=None,
    )


def test_ages_of_zero_and_never_do_not_apply(connection: Connection, policy: Change) -> None:
    policy(min_age=0, max_age=0)
    found = effective(connection, "ada")
    assert (found.min_age, found.max_age) == (timedelta(0), None)


def test_a_fine_grained_policy_goes_before_it(connection: Connection) -> None:
    row = FINE_GRAINED[0]
    assert effective(connection, "fibonacci") == DirectoryPolicy(
        min_length=row.length,
        history=row.history,
        min_age=timedelta(seconds=row.min_age),
        max_age=timedelta(seconds=row.max_age),
        complexity=row.complexity,
        lockout_threshold=row.lockout_threshold,
        name=row.name,
    )


def test_the_one_with_the_lowest_precedence_wins(forest: Forest, connection: Connection, policy: Change) -> None:
    policy(length=8)  # so that all policies are put back afterwards
    api.add_policy(forest, FineGrainedPolicy("Strict", "Finance", 5, length=20, history=1, max_age=86400))
    assert effective(connection, "luca").name == "Strict"


@pytest.mark.usefixtures("rights")
def test_a_policy_that_cannot_be_read_is_not_guessed(forest: Forest, connection: Connection) -> None:
    api.deny_right(forest, "read-policies")  # Samba lets everybody read them, Windows does not
    with pytest.raises(errors.PermissionMissing) as caught:
        effective(connection, "fibonacci")
    assert caught.value.right is not None
    assert "Finance passwords" in caught.value.right
    assert effective(connection, "ada").name is None


def test_a_policy_is_remembered_for_a_while(connection: Connection, policy: Change) -> None:
    account = read_account(connection, find_account(connection, "ada"))
    patient, eager = Policies(ttl=3600), Policies(ttl=0)
    first = patient.effective(connection, account)
    assert eager.effective(connection, account) == first
    policy(length=first.min_length + 3)
    assert patient.effective(connection, account) == first
    assert eager.effective(connection, account).min_length == first.min_length + 3


def test_the_minimum_age_counts_from_the_last_change(
    connection: Connection, new_account: NewAccount, policy: Change
) -> None:
    policy(min_age=60)
    _, changed = new_account()
    account = read_account(connection, changed)
    assert account.pwd_last_set is not None
    found = Policies().effective(connection, account)
    assert minimum_age_ends(account, found) == account.pwd_last_set + timedelta(seconds=60)
    _, fresh = new_account(Kind.MUST_CHANGE)
    assert minimum_age_ends(read_account(connection, fresh), found) is None
    policy(min_age=0)
    assert minimum_age_ends(account, Policies().effective(connection, account)) is None


def test_a_fine_grained_policy_needs_no_second_connection(connection: Connection) -> None:
    with connect(connection.server) as other:
        policies = Policies(ttl=3600)
        account = read_account(connection, find_account(connection, "fibonacci"))
        assert policies.effective(connection, account) is policies.effective(other, account)
