"""Debian 12's own Samba has no policy hints control: a reset is refused before anything is sent."""

from __future__ import annotations

import pytest
from tests.lab.directory.conftest import server_of

from keyback.directory import (
    Verdict,
    connect,
    errors,
    find_account,
    read_account,
    read_back,
    reset_password,
    verify_bind,
)
from lab import Forest

pytestmark = pytest.mark.lab


def test_a_reset_is_refused_before_anything_is_sent(older_forest: Forest) -> None:
    with connect(server_of(older_forest)) as connection:
        assert connection.root.hints_control is None
        guid = find_account(connection, "ada")
        before = read_account(connection, guid).versions
        with pytest.raises(errors.ControlMissing, match="does not offer the policy hints control"):
            reset_password(connection, guid, "Brand-New-1", clear_lockout=True, must_change=False, timeout=10)
        assert read_back(connection, guid).versions == before


def test_a_temporary_password_does_not_need_it(older_forest: Forest) -> None:
    with connect(server_of(older_forest)) as connection:
        guid = find_account(connection, "grace")
        reset_password(connection, guid, "Temporary-1", clear_lockout=True, must_change=True, timeout=10)
        account = read_account(connection, guid)
        assert account.must_change
        assert verify_bind(connection.server, account.dn, "Temporary-1").verdict is Verdict.RIGHT
