"""A reset on a real domain controller: what it writes, what it refuses, and how it says so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import ldap
import pytest
from ldap.controls import RequestControl
from tests.lab.directory.conftest import NewAccount

from keyback.directory import (
    Connection,
    DirectoryServer,
    Policies,
    Right,
    Verdict,
    connect,
    errors,
    expire,
    minimum_age_ends,
    missing_rights,
    read_account,
    read_back,
    reset_password,
    unlock,
    verify_bind,
)
from keyback.directory.accounts import guid_dn
from keyback.passwords import Code, check
from lab import Forest, api
from lab.api import SignIn
from lab.people import INITIAL_PASSWORD, Kind

pytestmark = pytest.mark.lab

NEW = "Brand-New-Pa55"

Change = Callable[..., None]


def reset(
    connection: Connection, guid: UUID, password: str = NEW, *, clear_lockout: bool = True, must_change: bool = False
) -> None:
    reset_password(connection, guid, password, clear_lockout=clear_lockout, must_change=must_change, timeout=10)


def test_the_new_password_signs_in_and_the_old_one_does_not(
    forest: Forest, connection: Connection, new_account: NewAccount
) -> None:
    person, guid = new_account()
    begun = datetime.now(UTC)
    reset(connection, guid)
    assert api.kinit(forest, person.account, NEW) is SignIn.OK
    assert api.kinit(forest, person.account, INITIAL_PASSWORD) is SignIn.WRONG_PASSWORD
    (event,) = api.audit(forest, account=person.account, since=begun)
    assert (event.action, event.by_service, event.succeeded) == ("Reset", True, True)


def test_each_write_raises_the_version_by_one(connection: Connection, new_account: NewAccount) -> None:
    _, guid = new_account()
    seen = [read_account(connection, guid).versions]
    for number in range(3):
        reset(connection, guid, f"{NEW}-{number}")
        seen.append(read_back(connection, guid).versions)
    assert [later.unicode_pwd - seen[0].unicode_pwd for later in seen] == [0, 1, 2, 3]
    assert [later.pwd_last_set - seen[0].pwd_last_set for later in seen] == [0, 1, 2, 3]


def test_a_reset_writes_when_it_happened(connection: Connection, new_account: NewAccount) -> None:
    _, guid = new_account(Kind.MUST_CHANGE)
    assert read_account(connection, guid).must_change
    reset(connection, guid)
    after = read_back(connection, guid)
    assert not after.must_change
    assert not after.password_expired
    assert after.pwd_last_set is not None
    assert abs(after.pwd_last_set - connection.server_time()) < timedelta(seconds=30)


@pytest.mark.parametrize(
    "password", ['quo"ted-1A"', "Grüße-aus-Łódź-1", "日本語のパスワード-1a", "😀😀-smile-A1", " blank-A1 ", "aB-1" * 64]
)
def test_any_characters_arrive_as_they_were_typed(
    connection: Connection, new_account: NewAccount, password: str
) -> None:
    person, guid = new_account()
    reset(connection, guid, password)
    account = read_account(connection, guid)
    assert verify_bind(connection.server, account.dn, password).verdict is Verdict.RIGHT
    assert check(password, person_names := account.names, Policies().effective(connection, account)) == []
    assert person_names.account_name == person.account


def test_half_a_surrogate_pair_is_refused_without_telling_the_password(
    connection: Connection, new_account: NewAccount
) -> None:
    _, guid = new_account()
    with pytest.raises(ValueError, match="surrogate") as caught:
        reset(connection, guid, "Half-\ud800-1")
    assert "Half" not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_a_locked_account_is_unlocked_by_the_same_write(
    forest: Forest, connection: Connection, new_account: NewAccount
) -> None:
    person, guid = new_account(Kind.LOCKED)
    assert read_account(connection, guid).locked_out
    reset(connection, guid)
    assert not read_back(connection, guid).locked_out
    assert api.kinit(forest, person.account, NEW) is SignIn.OK


def test_without_asking_for_it_the_account_stays_locked(
    forest: Forest, connection: Connection, new_account: NewAccount
) -> None:
    person, guid = new_account(Kind.LOCKED)
    reset(connection, guid, clear_lockout=False)
    assert read_back(connection, guid).locked_out
    assert api.kinit(forest, person.account, NEW) is SignIn.REVOKED


@pytest.mark.parametrize(
    ("password", "rule"),
    [
        ("aB1-", Code.TOO_SHORT),
        ("onlysmallletters", Code.COMPLEXITY),
        (INITIAL_PASSWORD, Code.USED_BEFORE),
    ],
)
def test_the_broken_rule_is_named_and_nothing_is_written(
    connection: Connection, new_account: NewAccount, password: str, rule: Code
) -> None:
    _, guid = new_account()
    before = read_account(connection, guid).versions
    with pytest.raises(errors.PolicyViolation) as caught:
        reset(connection, guid, password)
    assert (caught.value.result, caught.value.hex, caught.value.rule) == (53, "0000052D", rule)
    assert password not in str(caught.value)
    assert read_back(connection, guid).versions == before


def test_an_older_password_of_the_history_is_named_too(connection: Connection, new_account: NewAccount) -> None:
    _, guid = new_account()
    reset(connection, guid)
    with pytest.raises(errors.PolicyViolation) as caught:
        reset(connection, guid, INITIAL_PASSWORD)
    assert caught.value.rule is Code.USED_BEFORE


def test_a_repeated_write_looks_like_a_refusal(connection: Connection, new_account: NewAccount) -> None:
    _, guid = new_account()
    reset(connection, guid)
    with pytest.raises(errors.PolicyViolation) as caught:
        reset(connection, guid)
    assert caught.value.rule is Code.USED_BEFORE


def test_the_minimum_age_is_named_with_the_moment_it_ends(
    connection: Connection, new_account: NewAccount, policy: Change
) -> None:
    _, guid = new_account()
    policy(min_age=3600)
    account = read_account(connection, guid)
    with pytest.raises(errors.PolicyViolation) as caught:
        reset(connection, guid)
    assert caught.value.rule is Code.TOO_YOUNG
    ends = minimum_age_ends(account, Policies().effective(connection, account))
    assert ends is not None
    assert account.pwd_last_set is not None
    assert ends - account.pwd_last_set == timedelta(hours=1)
    assert timedelta(minutes=59) < ends - connection.server_time() <= timedelta(minutes=60, seconds=1)


def test_a_filter_refuses_as_complexity_although_the_password_is_complex(
    server: DirectoryServer, new_account: NewAccount, password_filter: Change
) -> None:
    _, guid = new_account()
    password_filter("unwanted")  # restarts the controller
    with connect(server) as connection, pytest.raises(errors.PolicyViolation) as caught:
        reset(connection, guid, "Unwanted-Pa55word")
    assert caught.value.rule is Code.COMPLEXITY


def test_a_temporary_password_must_be_changed_and_is_not_held_to_history_or_age(
    forest: Forest, connection: Connection, new_account: NewAccount, policy: Change
) -> None:
    person, guid = new_account()
    policy(min_age=3600)
    reset(connection, guid, INITIAL_PASSWORD, must_change=True)
    after = read_back(connection, guid)
    assert after.must_change
    assert after.versions.unicode_pwd == 2
    assert api.kinit(forest, person.account, INITIAL_PASSWORD) is SignIn.PASSWORD_EXPIRED


def test_with_the_hints_control_the_directory_refuses_must_change_in_the_same_write(
    connection: Connection, new_account: NewAccount
) -> None:
    _, guid = new_account()
    hints = RequestControl("1.2.840.113556.1.4.2239", True, b"\x30\x03\x02\x01\x01")
    changes = [
        (ldap.MOD_REPLACE, "unicodePwd", f'"{NEW}"'.encode("utf-16-le")),
        (ldap.MOD_REPLACE, "pwdLastSet", b"0"),
    ]
    with pytest.raises(errors.PolicyViolation) as caught:
        connection.modify(guid_dn(guid), changes, timeout=10, controls=[hints])
    assert caught.value.rule is Code.TOO_YOUNG


def test_samba_accepts_names_that_windows_refuses_so_they_are_checked_first(
    connection: Connection, new_account: NewAccount
) -> None:
    person, guid = new_account(given="Ada", surname="Byron")
    account = read_account(connection, guid)
    policy = Policies().effective(connection, account)
    reset(connection, guid, "Byron12345")
    reset(connection, guid, f"{person.account.title()}-12345678")
    assert Code.DISPLAY_NAME in [found.code for found in check("Byron12345", account.names, policy)]
    own_name = check(f"{person.account.title()}-12345678", account.names, policy)
    assert Code.ACCOUNT_NAME in [found.code for found in own_name]


def test_samba_accepts_a_disabled_account_so_it_is_refused_first(
    connection: Connection, new_account: NewAccount
) -> None:
    _, guid = new_account(Kind.DISABLED)
    reset(connection, guid)
    assert read_account(connection, guid).disabled


@pytest.mark.parametrize(
    ("right", "name"),
    [("reset-password", Right.RESET_PASSWORD), ("write-lockout-time", Right.WRITE_LOCKOUT_TIME)],
)
def test_a_missing_right_is_foreseen_and_refused(
    connection: Connection, new_account: NewAccount, rights: Change, right: api.Right, name: Right
) -> None:
    _, guid = new_account()
    rights(right)
    account = read_account(connection, guid)
    assert missing_rights(connection, account, Right) == (name,)
    with pytest.raises(errors.PermissionMissing) as caught:
        reset(connection, guid)
    assert caught.value.result == 50
    assert read_back(connection, guid).versions == account.versions


@pytest.mark.usefixtures("rights")
def test_a_missing_unexpire_right_is_foreseen_although_samba_does_not_mind(
    forest: Forest, connection: Connection, new_account: NewAccount
) -> None:
    _, guid = new_account()
    api.deny_right(forest, "unexpire-password")  # it is everybody's by default, so that taking it back changes nothing
    assert missing_rights(connection, read_account(connection, guid), Right) == (Right.UNEXPIRE_PASSWORD,)
    reset(connection, guid)
    assert not read_back(connection, guid).must_change  # Windows would leave the new password expired


@pytest.mark.usefixtures("rights")
def test_a_deny_entry_on_one_person_is_foreseen_and_refused(
    forest: Forest, connection: Connection, new_account: NewAccount
) -> None:
    person, guid = new_account()
    _, other = new_account()
    api.deny_right(forest, "reset-password", person.account)
    assert missing_rights(connection, read_account(connection, guid), Right) == (Right.RESET_PASSWORD,)
    assert missing_rights(connection, read_account(connection, other), Right) == ()
    with pytest.raises(errors.PermissionMissing):
        reset(connection, guid)
    reset(connection, other)


def test_cut_off_inheritance_is_foreseen_and_refused(
    forest: Forest, connection: Connection, new_account: NewAccount
) -> None:
    person, guid = new_account()
    api.set_inheritance(forest, person.account, False)
    assert Right.RESET_PASSWORD in missing_rights(connection, read_account(connection, guid), Right)
    with pytest.raises(errors.PermissionMissing):
        reset(connection, guid)


def test_an_account_that_is_gone_is_not_found(connection: Connection) -> None:
    with pytest.raises(errors.NotFound):
        reset(connection, uuid4())


def test_the_account_is_found_wherever_it_was_moved(
    forest: Forest, connection: Connection, new_account: NewAccount
) -> None:
    person, guid = new_account()
    before = read_account(connection, guid)
    with forest.administrator() as directory:
        directory._ldap.rename_s(before.dn, r"CN=Renamed\, and moved \+ \#1")
    reset(connection, guid)
    after = read_account(connection, guid)
    assert after.dn != before.dn
    assert (after.sam, after.versions.unicode_pwd) == (person.account, before.versions.unicode_pwd + 1)


def test_unlock_keeps_the_password_and_may_be_repeated(
    forest: Forest, connection: Connection, new_account: NewAccount
) -> None:
    person, guid = new_account(Kind.LOCKED)
    versions = read_account(connection, guid).versions
    unlock(connection, guid, timeout=10)
    unlock(connection, guid, timeout=10)
    assert not read_back(connection, guid).locked_out
    assert read_back(connection, guid).versions == versions
    assert api.kinit(forest, person.account, INITIAL_PASSWORD) is SignIn.OK


def test_expire_asks_for_a_new_password_and_may_be_repeated(
    forest: Forest, connection: Connection, new_account: NewAccount
) -> None:
    person, guid = new_account()
    expire(connection, guid, timeout=10)
    expire(connection, guid, timeout=10)
    assert read_back(connection, guid).must_change
    assert api.kinit(forest, person.account, INITIAL_PASSWORD) is SignIn.PASSWORD_EXPIRED


def test_a_clear_text_bind_is_what_the_directory_refuses(forest: Forest) -> None:
    link = ldap.initialize(f"ldap://{forest.ip}")
    with pytest.raises(ldap.STRONG_AUTH_REQUIRED) as caught:
        link.simple_bind_s(forest.service_dn, "whatever")
    translated = errors.translate(caught.value, "dc")
    assert isinstance(translated, errors.ConfigurationProblem)
    assert translated.message == "BindSimple: Transport encryption required."
