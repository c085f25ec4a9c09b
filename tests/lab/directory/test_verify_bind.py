"""One bind tells whether a password is right, also where the account may not sign in with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.lab.directory.conftest import NewAccount

from keyback.directory import (
    Connection,
    DirectoryServer,
    Verdict,
    errors,
    read_account,
    reset_password,
    verify_bind,
)
from lab import Forest, api
from lab.people import INITIAL_PASSWORD, Kind

pytestmark = pytest.mark.lab


@pytest.mark.parametrize(
    ("kind", "verdict", "data"),
    [
        (Kind.ORDINARY, Verdict.RIGHT, None),
        (Kind.NEVER_EXPIRES, Verdict.RIGHT, None),
        (Kind.PASSWORD_EXPIRED, Verdict.RIGHT, "532"),
        (Kind.DISABLED, Verdict.RIGHT, "533"),
        (Kind.EXPIRED, Verdict.RIGHT, "701"),
        (Kind.MUST_CHANGE, Verdict.RIGHT, "773"),
        (Kind.LOCKED, Verdict.LOCKED_OUT, "775"),
        (Kind.UNKNOWN_PASSWORD, Verdict.WRONG, "52e"),
        (Kind.WITHOUT_PASSWORD, Verdict.WRONG, "52e"),
    ],
)
def test_each_state_is_told(
    connection: Connection, new_account: NewAccount, kind: Kind, verdict: Verdict, data: str | None
) -> None:
    _, guid = new_account(kind)
    account = read_account(connection, guid)
    answer = verify_bind(connection.server, account.dn, INITIAL_PASSWORD)
    assert (answer.verdict, answer.data) == (verdict, data)


def test_outside_the_logon_hours_the_right_password_is_still_known(
    forest: Forest, connection: Connection, new_account: NewAccount
) -> None:
    person, guid = new_account()
    api.set_attributes(forest, person.account, {"logonHours": bytes(21)})
    account = read_account(connection, guid)
    answer = verify_bind(connection.server, account.dn, INITIAL_PASSWORD)
    assert (answer.verdict, answer.data) == (Verdict.RIGHT, "530")
    assert verify_bind(connection.server, account.dn, "wrong").verdict is Verdict.WRONG


def test_a_user_id_works_as_a_name(forest: Forest, server: DirectoryServer) -> None:
    answer = verify_bind(server, f"sofia@staff.{forest.dns_domain}", INITIAL_PASSWORD)
    assert answer.verdict is Verdict.RIGHT


def test_an_unknown_account_looks_like_a_wrong_password(forest: Forest, server: DirectoryServer) -> None:
    answer = verify_bind(server, f"nobody@{forest.dns_domain}", INITIAL_PASSWORD)
    assert answer.verdict is Verdict.WRONG


def test_after_a_reset_the_old_password_still_binds_so_that_only_the_version_proves_a_write(
    connection: Connection, new_account: NewAccount
) -> None:
    _, guid = new_account()
    account = read_account(connection, guid)
    reset_password(connection, guid, "Brand-New-1", clear_lockout=True, must_change=False, timeout=10)
    assert verify_bind(connection.server, account.dn, "Brand-New-1").verdict is Verdict.RIGHT
    assert verify_bind(connection.server, account.dn, INITIAL_PASSWORD).verdict is Verdict.RIGHT


def test_a_wrong_password_counts_against_the_account(
    connection: Connection, new_account: NewAccount, policy: Callable[..., None]
) -> None:
    policy(lockout_threshold=2)
    _, guid = new_account()
    account = read_account(connection, guid)
    verdicts = [verify_bind(connection.server, account.dn, "wrong").verdict for _ in range(3)]
    assert verdicts == [Verdict.WRONG, Verdict.WRONG, Verdict.LOCKED_OUT]


def test_an_unreachable_server_is_no_verdict(server: DirectoryServer) -> None:
    with pytest.raises(errors.Unreachable):
        verify_bind(replace(server, url=f"{server.url}:9"), "cn=x", "whatever")
