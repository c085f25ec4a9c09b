"""When no answer comes to a write, nobody claims to know how it ended; the version tells it afterwards."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from tests.lab.directory.conftest import NewAccount
from tests.support.waiting import wait_until

import lab
from keyback.directory import (
    DirectoryServer,
    Verdict,
    connect,
    errors,
    read_account,
    read_back,
    reset_password,
    verify_bind,
)
from lab import Forest

pytestmark = pytest.mark.lab

NEW = "Brand-New-Pa55"


def test_a_controller_that_stalls_leaves_the_fate_unknown_until_it_goes_on(
    forest_to_break: Forest, server: DirectoryServer, new_account: NewAccount
) -> None:
    _, guid = new_account()
    with connect(server) as connection:
        before = read_account(connection, guid)
        lab.freeze(forest_to_break.name)
        with pytest.raises(errors.WriteTimedOut) as caught:
            reset_password(connection, guid, NEW, clear_lockout=True, must_change=False, timeout=0.5)
        assert connection.broken
        assert NEW not in str(caught.value)
        lab.thaw(forest_to_break.name)
        # The request waits in the controller's socket, and is carried out once the controller goes on.
        with connect(server) as fresh:
            wait_until(
                lambda: read_back(fresh, guid).versions.unicode_pwd == before.versions.unicode_pwd + 1,
                what="the late write",
            )
        assert verify_bind(server, before.dn, NEW).verdict is Verdict.RIGHT


def test_a_controller_that_dies_leaves_the_fate_unknown_until_it_is_read(
    forest_to_break: Forest, server: DirectoryServer, new_account: NewAccount
) -> None:
    _, guid = new_account()
    with connect(server) as connection:
        before = read_account(connection, guid)
        lab.freeze(forest_to_break.name)
        killer = threading.Timer(0.3, lab.kill, [forest_to_break.name])
        killer.start()
        with pytest.raises(errors.WriteTimedOut):
            reset_password(connection, guid, NEW, clear_lockout=True, must_change=False, timeout=20)
        killer.join()
        lab.restart(forest_to_break.name)
    with connect(server) as fresh:
        assert fresh.root.invocation_id == connection.root.invocation_id
        assert read_back(fresh, guid).versions == before.versions
        assert verify_bind(server, before.dn, NEW).verdict is Verdict.WRONG


def test_a_connection_that_died_unnoticed_counts_as_unknown_too(
    forest_to_break: Forest, server: DirectoryServer, new_account: NewAccount
) -> None:
    _, guid = new_account()
    with connect(server) as connection:
        lab.kill(forest_to_break.name)
        lab.restart(forest_to_break.name)
        with pytest.raises(errors.WriteTimedOut):
            reset_password(connection, guid, NEW, clear_lockout=True, must_change=False, timeout=5)


def test_a_read_that_gets_no_answer_is_only_unreachable(
    forest_to_break: Forest, server: DirectoryServer, new_account: NewAccount
) -> None:
    _, guid = new_account()
    with connect(replace(server, operation_timeout=0.5)) as connection:
        lab.freeze(forest_to_break.name)
        with pytest.raises(errors.Unreachable):
            read_account(connection, guid)
        lab.thaw(forest_to_break.name)
        assert connection.broken


def test_a_broken_connection_sends_nothing_more(server: DirectoryServer, new_account: NewAccount) -> None:
    _, guid = new_account()
    with connect(server) as connection:
        connection.broken = True
        with pytest.raises(errors.Unreachable):
            reset_password(connection, guid, NEW, clear_lockout=True, must_change=False, timeout=5)
        with pytest.raises(errors.Unreachable):
            read_account(connection, guid)
        connection.close()
    with connect(server) as fresh:
        assert read_account(fresh, guid).versions.unicode_pwd == 1
