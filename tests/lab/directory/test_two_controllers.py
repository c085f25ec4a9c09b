"""Two controllers of one domain: told apart by invocationId, agreeing on versions once they have replicated."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.lab.directory.conftest import server_of
from tests.support.waiting import wait_until

import lab
from keyback.directory import Verdict, connect, find_account, read_account, read_back, reset_password, verify_bind
from lab import Forest

pytestmark = pytest.mark.lab

NEW = "Brand-New-Pa55"


def test_a_version_counts_alike_on_both_and_proves_a_write_only_where_it_has_arrived(two_controllers: Forest) -> None:
    first = server_of(two_controllers)
    second = replace(first, url=f"ldaps://{two_controllers.controller('dc2').ip}")
    with connect(first) as one, connect(second) as other:
        assert one.root.invocation_id != other.root.invocation_id
        guid = find_account(one, "ada")
        before = read_account(one, guid)
        wait_until(lambda: read_back(other, guid).versions == before.versions, timeout=30, what="the first arrival")

        lab.replication(two_controllers.name, paused=True)
        reset_password(one, guid, NEW, clear_lockout=True, must_change=False, timeout=10)
        assert read_back(one, guid).versions.unicode_pwd == before.versions.unicode_pwd + 1
        assert read_back(other, guid).versions == before.versions

        lab.replication(two_controllers.name, paused=False)
        written = read_back(one, guid).versions
        wait_until(lambda: read_back(other, guid).versions == written, timeout=60, what="the write's arrival")
        assert verify_bind(second, before.dn, NEW).verdict is Verdict.RIGHT
