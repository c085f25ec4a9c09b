"""Every answer that Windows Server documents, and every one recorded from Samba, becomes one typed error."""

from __future__ import annotations

import ldap
import pytest

from keyback.directory import errors
from keyback.passwords import Code

WINDOWS_POLICY = (
    "0000052D: AtrErr: DSID-033807D7, #1:\n\t0: 0000052D: DSID-033807D7, problem 1005 (CONSTRAINT_ATT_TYPE), "
    "data 0, Att 9005a (unicodePwd)\n"
)


def answer(kind: type[ldap.LDAPError], result: int, info: str) -> ldap.LDAPError:
    return kind({"result": result, "desc": "irrelevant", "info": info, "msgid": 2, "ctrls": []})


@pytest.mark.parametrize(
    ("kind", "result", "info", "expected", "hex"),
    [
        (ldap.CONSTRAINT_VIOLATION, 19, WINDOWS_POLICY, errors.PolicyViolation, "0000052D"),
        (
            ldap.UNWILLING_TO_PERFORM,
            53,
            "0000052D: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0\n",
            errors.PolicyViolation,
            "0000052D",
        ),
        (
            ldap.CONSTRAINT_VIOLATION,
            19,
            "00000056: AtrErr: DSID-03191083, #1: problem 1005 (CONSTRAINT_ATT_TYPE), data 0, Att 9005a (unicodePwd)",
            errors.CurrentPasswordWrong,
            "00000056",
        ),
        (
            ldap.CONSTRAINT_VIOLATION,
            19,
            "00000056: setup_io: check_password_restrictions: The old password specified doesn't match!",
            errors.CurrentPasswordWrong,
            "00000056",
        ),
        (ldap.CONSTRAINT_VIOLATION, 19, "0000216C: AtrErr: DSID-03190F80", errors.Unforeseen, "0000216C"),
        (
            ldap.UNWILLING_TO_PERFORM,
            53,
            "0000001F: SvcErr: DSID-031A126C, problem 5003 (WILL_NOT_PERFORM), data 0",
            errors.ConfigurationProblem,
            "0000001F",
        ),
        (ldap.UNWILLING_TO_PERFORM, 53, "00002077: SvcErr: DSID-03190F00", errors.Unforeseen, "00002077"),
        (
            ldap.INSUFFICIENT_ACCESS,
            50,
            "00000005: SecErr: DSID-031A11D0, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0",
            errors.PermissionMissing,
            "00000005",
        ),
        (
            ldap.INSUFFICIENT_ACCESS,
            50,
            "00002098: SecErr: DSID-03150E49, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0",
            errors.PermissionMissing,
            "00002098",
        ),
        (
            ldap.INSUFFICIENT_ACCESS,
            50,
            "error in module acl: insufficient access rights during LDB_MODIFY (50)",
            errors.PermissionMissing,
            None,
        ),
        (ldap.NO_SUCH_OBJECT, 32, "0000208D: NameErr: DSID-03100241", errors.NotFound, "0000208D"),
        (ldap.NO_SUCH_OBJECT, 32, "00002030: No such Base DN", errors.NotFound, "00002030"),
        (ldap.REFERRAL, 10, "0000202B: RefErr: DSID-03100781", errors.Unforeseen, "0000202B"),
        (ldap.UNAVAILABLE_CRITICAL_EXTENSION, 12, "00000057: LdapErr", errors.ControlMissing, "00000057"),
        (ldap.STRONG_AUTH_REQUIRED, 8, "00002028: LdapErr", errors.ConfigurationProblem, "00002028"),
        (ldap.UNAVAILABLE, 52, "000020EF: SvcErr: DSID-03140A40", errors.Unreachable, "000020EF"),
        (ldap.BUSY, 51, "", errors.Unreachable, None),
        (ldap.OPERATIONS_ERROR, 1, "000004DC: LdapErr: DSID-0C090A69", errors.Unforeseen, "000004DC"),
    ],
)
def test_an_answer_becomes_its_error(
    kind: type[ldap.LDAPError], result: int, info: str, expected: type[errors.DirectoryError], hex: str | None
) -> None:
    translated = errors.translate(answer(kind, result, info), "ldaps://dc1")
    assert type(translated) is expected
    assert (translated.result, translated.hex) == (result, hex)
    assert info.strip() in str(translated)


@pytest.mark.parametrize(
    ("info", "rule"),
    [
        (WINDOWS_POLICY, None),
        ("0000052D: … the password is too short. It should be equal to or longer than 8 characters!", Code.TOO_SHORT),
        ("0000052D: … the password does not meet the complexity criteria!", Code.COMPLEXITY),
        ("0000052D: … the password was already used (in history)!", Code.USED_BEFORE),
        ("0000052D: … the password was already used (previous password)!", Code.USED_BEFORE),
        ("0000052D: … password is too young to change!", Code.TOO_YOUNG),
    ],
)
def test_the_rule_is_named_where_the_directory_names_it(info: str, rule: Code | None) -> None:
    translated = errors.translate(answer(ldap.CONSTRAINT_VIOLATION, 19, info), "ldaps://dc1")
    assert isinstance(translated, errors.PolicyViolation)
    assert translated.rule is rule


@pytest.mark.parametrize(
    ("info", "data"),
    [
        ("80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data 52e, v4563", "52e"),
        ("80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data 0773, v1db1", "0773"),
        ("80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data 52E, v4563", "52e"),
        ("Simple bind failed", None),
    ],
)
def test_the_reason_of_a_refused_bind_is_read(info: str, data: str | None) -> None:
    refused = answer(ldap.INVALID_CREDENTIALS, 49, info)
    assert errors.bind_data(refused) == data
    translated = errors.translate(refused, "ldaps://dc1")
    assert isinstance(translated, errors.BindRefused)
    assert translated.data == data


def test_codes_are_unique_and_everybody_who_must_act_is_named() -> None:
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.DirectoryError)
    ]
    assert len({kind.code for kind in kinds}) == len(kinds)
    assert all(kind is errors.DirectoryError or kind.who in errors.Who for kind in kinds)


def test_an_error_without_any_detail_still_has_a_text() -> None:
    assert str(errors.translate(ldap.SERVER_DOWN(), "ldaps://dc1")) == "ldaps://dc1: SERVER_DOWN"
