"""Writing to an account: each function is one modify, all or nothing, and never repeated here.

Every function raises WriteTimedOut when the fate of the write is unknown; any other DirectoryError means that nothing
was written. Source: MS-ADTS 3.1.1.3.1.5.1 (unicodePwd), 3.1.1.3.4.1.27 (policy hints).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

import ldap
from ldap.controls import RequestControl

from keyback.directory import errors
from keyback.directory._link import DirectoryServer, hang_up, sign_in
from keyback.directory.accounts import guid_dn
from keyback.directory.connection import Change, Connection

__all__ = ["BindAnswer", "Verdict", "change_password", "expire", "reset_password", "unlock", "verify_bind"]

_APPLY_POLICY = b"\x30\x03\x02\x01\x01"  # SEQUENCE { INTEGER 1 }
_UNLOCKED: Change = (ldap.MOD_REPLACE, "lockoutTime", b"0")
_MUST_CHANGE: Change = (ldap.MOD_REPLACE, "pwdLastSet", b"0")

# Active Directory tells these only to who knows the password (530 and 531: hours and workstation, 532 expired,
# 533 disabled, 701 account expired, 773 must change).
_RIGHT_PASSWORD = frozenset({"530", "531", "532", "533", "701", "773"})
_WRONG_PASSWORD = frozenset({"52e", "525"})  # Samba answers 52e where Windows says 525, no such account
_LOCKED_OUT = "775"


def reset_password(
    connection: Connection, guid: UUID, new_password: str, *, clear_lockout: bool, must_change: bool, timeout: float
) -> None:
    """Set a password without knowing the old one, with what belongs to it in the same modify.

    ``clear_lockout`` also sets lockoutTime to 0. Without ``must_change`` the policy hints control makes history and
    minimum age count; raises ControlMissing, before sending anything, where the server does not offer it. With
    ``must_change`` (an administrator's temporary password) pwdLastSet becomes 0 too, and the control is left out: with
    it the directory refuses the pair as too young. ``timeout`` in seconds.
    """
    changes: list[Change] = [(ldap.MOD_REPLACE, "unicodePwd", _quoted(new_password))]
    if clear_lockout:
        changes.append(_UNLOCKED)
    if must_change:
        changes.append(_MUST_CHANGE)
    controls = [] if must_change else [_policy_hints(connection)]
    connection.modify(guid_dn(guid), changes, timeout=timeout, controls=controls)


def change_password(
    connection: Connection, guid: UUID, current_password: str, new_password: str, *, timeout: float
) -> None:
    """Set a password by whoever knows the current one; history and minimum age count. ``timeout`` in seconds.

    A wrong current password counts against the account. Raises CurrentPasswordWrong and PolicyViolation.
    """
    changes: list[Change] = [
        (ldap.MOD_DELETE, "unicodePwd", _quoted(current_password)),
        (ldap.MOD_ADD, "unicodePwd", _quoted(new_password)),
    ]
    connection.modify(guid_dn(guid), changes, timeout=timeout)


def unlock(connection: Connection, guid: UUID, *, timeout: float) -> None:
    """Set lockoutTime to 0. May be repeated."""
    connection.modify(guid_dn(guid), [_UNLOCKED], timeout=timeout)


def expire(connection: Connection, guid: UUID, *, timeout: float) -> None:
    """Set pwdLastSet to 0: the password must be changed at the next sign-in. May be repeated."""
    connection.modify(guid_dn(guid), [_MUST_CHANGE], timeout=timeout)


class Verdict(StrEnum):
    """What a bind says about a password. ``locked_out`` says nothing: the directory answers so to any password."""

    RIGHT = "right"
    WRONG = "wrong"
    LOCKED_OUT = "locked_out"


@dataclass(frozen=True, slots=True)
class BindAnswer:
    """``data`` is Active Directory's own code, such as 773; None after a bind that succeeded."""

    verdict: Verdict
    data: str | None


def verify_bind(server: DirectoryServer, name: str, password: str) -> BindAnswer:
    """Whether ``password`` is that of ``name`` (a DN or a userPrincipalName), by one bind on its own connection.

    A wrong password counts against the account. For a while after a reset the old one still binds.
    Raises ValueError for an empty name or password, Unreachable, TlsFailure, ConfigurationProblem where there is no
    TLS, and Unforeseen for unknown answers.
    """
    if server.ca_file is None:
        raise errors.ConfigurationProblem("a person's password is sent through TLS only: name its authority in ca_file")
    try:
        link = sign_in(server, name, password)
    except ldap.INVALID_CREDENTIALS as error:
        return _answer(error, server)
    hang_up(link)
    return BindAnswer(Verdict.RIGHT, None)


def _answer(error: ldap.LDAPError, server: DirectoryServer) -> BindAnswer:
    data = errors.bind_data(error)
    if data in _RIGHT_PASSWORD:
        return BindAnswer(Verdict.RIGHT, data)
    if data in _WRONG_PASSWORD:
        return BindAnswer(Verdict.WRONG, data)
    if data == _LOCKED_OUT:
        return BindAnswer(Verdict.LOCKED_OUT, data)
    refused = errors.translate(error, server.url)
    raise errors.Unforeseen(refused.message, result=refused.result, hex=refused.hex) from error


def _policy_hints(connection: Connection) -> RequestControl:
    number = connection.root.hints_control
    if number is None:
        raise errors.ControlMissing(f"{connection.root.dns_host_name} does not offer the policy hints control")
    return RequestControl(number, criticality=True, encodedControlValue=_APPLY_POLICY)


def _quoted(password: str) -> bytes:
    try:
        return f'"{password}"'.encode("utf-16-le")
    except UnicodeEncodeError:
        # The original error holds the password, so it must not be chained.
        raise ValueError("the password holds half of a surrogate pair") from None
