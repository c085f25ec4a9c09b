"""What can go wrong with a directory. An error's type says who must act; its code never changes.

    DirectoryError
    ├── Unreachable            nobody: the server cannot be talked to, try later; nothing was written
    ├── WriteTimedOut          nobody: sent, but no answer; whether it was written is unknown and must be resolved
    ├── TlsFailure             the operator: the server's certificate was refused
    ├── BindRefused            the operator: the directory refused the service account's own credentials
    ├── ControlMissing         the operator: this server has no policy hints control; use one that does
    ├── NotFound               an administrator: the account is gone, or was never there
    ├── AmbiguousAnchor        an administrator: two accounts answer to one name or anchor
    ├── PermissionMissing      an administrator: the service account lacks a right on this account
    ├── ConfigurationProblem   an administrator: the directory is not set up for this write
    ├── PolicyViolation        the person: choose another password
    ├── CurrentPasswordWrong   the person: the current password given for a change is wrong
    └── Unforeseen             the operator: reports it; result, code and text are kept

Sources: MS-ADTS 3.1.1.3.1.5.1 for the writes, "LDAP result codes" and Win32 system error codes for the numbers, and
answers recorded from Samba 4.24. The texts are the server's diagnostic messages, in which passwords do not occur.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any

import ldap

from keyback.errors import KeybackError
from keyback.passwords import Code

__all__ = [
    "AmbiguousAnchor",
    "BindRefused",
    "ConfigurationProblem",
    "ControlMissing",
    "CurrentPasswordWrong",
    "DirectoryError",
    "NotFound",
    "PermissionMissing",
    "PolicyViolation",
    "TlsFailure",
    "Unforeseen",
    "Unreachable",
    "Who",
    "WriteTimedOut",
    "bind_data",
    "connection_lost",
    "translate",
]


class Who(StrEnum):
    """Who can mend it."""

    PERSON = "person"
    ADMINISTRATOR = "administrator"
    OPERATOR = "operator"
    NOBODY = "nobody"


class DirectoryError(KeybackError):
    """The root. ``result`` is the LDAP result code and ``hex`` the leading eight digits of the server's text."""

    code = "directory"
    who: Who

    def __init__(self, message: str, *, result: int | None = None, hex: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.result = result
        self.hex = hex


class Unreachable(DirectoryError):
    """The server cannot be talked to. Nothing was written."""

    code = "unreachable"
    who = Who.NOBODY

    def __init__(self, server: str, detail: str, **numbers: Any) -> None:
        super().__init__(f"{server}: {detail}", **numbers)
        self.server = server


class WriteTimedOut(DirectoryError):
    """A write was sent and no answer came: it may or may not have happened. Resolve it, never repeat it."""

    code = "write_timed_out"
    who = Who.NOBODY

    def __init__(self, server: str, detail: str) -> None:
        super().__init__(f"{server}: {detail}")
        self.server = server


class TlsFailure(DirectoryError):
    """The server's certificate was refused, or no encryption could be agreed."""

    code = "tls_failure"
    who = Who.OPERATOR

    def __init__(self, server: str, detail: str) -> None:
        super().__init__(f"{server}: {detail}")
        self.server = server


class BindRefused(DirectoryError):
    """The service account may not sign in. ``data`` is the reason as Active Directory codes it, such as 52e."""

    code = "bind_refused"
    who = Who.OPERATOR

    def __init__(self, message: str, *, data: str | None, **numbers: Any) -> None:
        super().__init__(message, **numbers)
        self.data = data


class ControlMissing(DirectoryError):
    """The server does not offer the policy hints control. Raised before anything is sent."""

    code = "control_missing"
    who = Who.OPERATOR


class NotFound(DirectoryError):
    """No such object, or none that the service account may see."""

    code = "not_found"
    who = Who.ADMINISTRATOR


class AmbiguousAnchor(DirectoryError):
    """More than one account answers to a name or an anchor."""

    code = "ambiguous_anchor"
    who = Who.ADMINISTRATOR


class PermissionMissing(DirectoryError):
    """The service account lacks a right. ``right`` names it where the directory said which."""

    code = "permission_missing"
    who = Who.ADMINISTRATOR

    def __init__(self, message: str, *, right: str | None = None, **numbers: Any) -> None:
        super().__init__(message, **numbers)
        self.right = right


class ConfigurationProblem(DirectoryError):
    """The directory is unwilling because of how it, or the connection, is set up."""

    code = "configuration_problem"
    who = Who.ADMINISTRATOR


class PolicyViolation(DirectoryError):
    """The directory refused the new password. ``rule`` is None where it did not say why, as Windows never does."""

    code = "policy_violation"
    who = Who.PERSON

    def __init__(self, message: str, *, rule: Code | None, **numbers: Any) -> None:
        super().__init__(message, **numbers)
        self.rule = rule


class CurrentPasswordWrong(DirectoryError):
    """A change was refused because the current password is wrong."""

    code = "current_password_wrong"
    who = Who.PERSON


class Unforeseen(DirectoryError):
    """Anything else, with the numbers and the text as they came."""

    code = "unforeseen"
    who = Who.OPERATOR


_HEX = re.compile(r"\s*([0-9A-Fa-f]{8})\b")
_BIND_DATA = re.compile(r"\bdata ([0-9a-fA-F]{1,8})\b")

_PASSWORD_RESTRICTION = "0000052D"  # noqa: S105 — a Win32 error code
_INVALID_PASSWORD = "00000056"  # noqa: S105 — a Win32 error code

# Samba says which rule broke (dsdb/samdb/ldb_modules/password_hash.c); Windows sends one text for all of them.
_RULES = (
    ("password is too short", Code.TOO_SHORT),
    ("does not meet the complexity criteria", Code.COMPLEXITY),
    ("already used", Code.USED_BEFORE),
    ("too young to change", Code.TOO_YOUNG),
)

_NO_ANSWER = (ldap.SERVER_DOWN, ldap.CONNECT_ERROR, ldap.TIMEOUT, ldap.LOCAL_ERROR, ldap.DECODING_ERROR)
_GONE = (ldap.SERVER_DOWN, ldap.CONNECT_ERROR, ldap.TIMEOUT, ldap.UNAVAILABLE, ldap.BUSY)


def connection_lost(error: ldap.LDAPError) -> bool:
    """Whether no answer, or none that can be read, came: the connection cannot be used again."""
    return isinstance(error, _NO_ANSWER)


def bind_data(error: ldap.LDAPError) -> str | None:
    """The ``data`` code of a refused bind, in lower case, or None. Example: "52e"."""
    found = _BIND_DATA.search(_text(error))
    return found[1].lower() if found else None


def translate(error: ldap.LDAPError, server: str) -> DirectoryError:
    """The typed error for what python-ldap raised while talking to ``server``."""
    text = _text(error)
    result: int | None = _detail(error).get("result")
    found = _HEX.match(text)
    code = found[1].upper() if found else None
    numbers: dict[str, Any] = {"result": result, "hex": code}
    match error:
        case ldap.CONSTRAINT_VIOLATION() | ldap.UNWILLING_TO_PERFORM() if code == _PASSWORD_RESTRICTION:
            return PolicyViolation(text, rule=_rule(text), **numbers)
        case ldap.CONSTRAINT_VIOLATION() if code == _INVALID_PASSWORD:
            return CurrentPasswordWrong(text, **numbers)
        case ldap.UNWILLING_TO_PERFORM() if code == "0000001F":
            return ConfigurationProblem(text, **numbers)
        case ldap.INSUFFICIENT_ACCESS():
            return PermissionMissing(text, **numbers)
        case ldap.NO_SUCH_OBJECT():
            return NotFound(text, **numbers)
        case ldap.UNAVAILABLE_CRITICAL_EXTENSION():
            return ControlMissing(text, **numbers)
        case ldap.INVALID_CREDENTIALS():
            return BindRefused(text, data=bind_data(error), **numbers)
        case ldap.CONFIDENTIALITY_REQUIRED() | ldap.STRONG_AUTH_REQUIRED():
            return ConfigurationProblem(text, **numbers)
        case _ if isinstance(error, _GONE):
            return Unreachable(server, text, **numbers)
    return Unforeseen(text, **numbers)


def _rule(text: str) -> Code | None:
    return next((rule for phrase, rule in _RULES if phrase in text), None)


def _detail(error: ldap.LDAPError) -> dict[str, Any]:
    return error.args[0] if error.args and isinstance(error.args[0], dict) else {}


def _text(error: ldap.LDAPError) -> str:
    detail = _detail(error)
    return str(detail.get("info") or detail.get("desc") or type(error).__name__)
