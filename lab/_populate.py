"""Write the table of people, the groups, the fine-grained policies and the service account into a fresh forest."""

from __future__ import annotations

import secrets
from dataclasses import replace

from lab import _rights, people
from lab._descriptor import EVERYONE, SELF, Access, Entry
from lab._directory import Directory, escape_rdn, password_value
from lab.forest import Forest
from lab.people import Kind, Person

NORMAL_ACCOUNT = 0x200
ACCOUNT_DISABLED = 0x2
PASSWORD_NOT_REQUIRED = 0x20
PASSWORD_NEVER_EXPIRES = 0x10000

NEVER = -(2**63)
_DAY = 86400
_FILETIME = 10_000_000  # units of 100 ns in a second
_LONG_AGO = 132_223_104_000_000_000  # 2020-01-01 as a FILETIME

_FLAGS = {
    Kind.DISABLED: ACCOUNT_DISABLED,
    Kind.WITHOUT_PASSWORD: PASSWORD_NOT_REQUIRED,
    Kind.NEVER_EXPIRES: PASSWORD_NEVER_EXPIRES,
}

CANNOT_CHANGE = tuple(
    Entry(sid, Access.CONTROL_ACCESS, allow=False, right=_rights.CHANGE_PASSWORD) for sid in (EVERYONE, SELF)
)


def interval(seconds: float) -> int:
    """A duration as the directory stores it: a negative count of 100 ns."""
    return -round(seconds * _FILETIME)


def populate(forest: Forest, directory: Directory, service_password: str) -> None:
    """Everything the table says, except what time or failures bring about (:func:`lab._accounts.make_lasting`)."""
    domain_policy(directory)
    # Or a test that lets passwords expire after a minute locks the lab itself out.
    directory.replace(directory.find("Administrator"), {"userAccountControl": NORMAL_ACCOUNT | PASSWORD_NEVER_EXPIRES})
    for unit in (people.PEOPLE_OU, people.GROUPS_OU, people.OUTSIDE_OU, people.SERVICES_OU):
        directory.add(f"{unit},{directory.base_dn}", {"objectClass": "organizationalUnit"})
    partitions = f"CN=Partitions,CN=Configuration,{directory.base_dn}"
    directory.replace(partitions, {"uPNSuffixes": people.alternative_suffixes(forest.dns_domain)})
    _groups(directory)
    _service_account(forest, directory, service_password)
    for policy in people.FINE_GRAINED:
        add_fine_grained(forest, directory, policy)
    for row in people.PEOPLE:
        write_person(forest, directory, row)


def write_person(forest: Forest, directory: Directory, row: Person, *, groups: bool = True) -> str:
    """Create the person as the table says; return the DN."""
    dn = person_dn(directory, row)
    password = secrets.token_urlsafe(24) + "-aA1" if row.password is None else row.password
    directory.add(
        dn,
        {
            "objectClass": "user",
            "sAMAccountName": row.account,
            "unicodePwd": password_value(password) if password else None,
            **initial_values(forest, row),
        },
    )
    apply_kind(directory, dn, row.kind)
    if groups:
        for group in row.groups:
            directory.add_member(group_dn(directory, group), dn)
    return dn


def initial_values(forest: Forest, row: Person) -> dict[str, str | int | None]:
    """The attributes, beside name and password, that the table gives a person."""
    suffix = (forest.dns_domain, *people.alternative_suffixes(forest.dns_domain))[row.suffix]
    return {
        "userPrincipalName": f"{row.account}@{suffix}",
        "givenName": row.given,
        "sn": row.surname,
        "displayName": row.display_name,
        "title": row.kind.value,
        "mail": row.mail_address,
        "mobile": row.mobile,
        "userAccountControl": NORMAL_ACCOUNT | _FLAGS.get(row.kind, 0),
        "accountExpires": _LONG_AGO if row.kind is Kind.EXPIRED else 2**63 - 1,
        "pwdLastSet": 0 if row.kind is Kind.MUST_CHANGE else -1,
        "adminCount": 1 if row.kind is Kind.ADMIN_COUNT else None,
    }


def apply_kind(directory: Directory, dn: str, kind: Kind) -> None:
    """What a kind needs beside attributes: its own entries in the security descriptor."""
    if kind is Kind.CANNOT_CHANGE:
        directory.grant(dn, *CANNOT_CHANGE)
    elif kind is Kind.ADMIN_COUNT:
        # What Active Directory's own background task (SDProp) does to protected accounts and Samba leaves undone.
        directory.set_dacl(dn, directory.dacl(f"CN=AdminSDHolder,CN=System,{directory.base_dn}").without_inheritance())


def person_dn(directory: Directory, row: Person) -> str:
    unit = people.OUTSIDE_OU if row.kind is Kind.OUTSIDE else people.PEOPLE_OU
    return f"CN={escape_rdn(row.common_name or row.display_name)},{unit},{directory.base_dn}"


def group_dn(directory: Directory, name: str) -> str:
    return f"CN={escape_rdn(name)},{people.GROUPS_OU},{directory.base_dn}"


def policy_container(directory: Directory) -> str:
    return f"CN=Password Settings Container,CN=System,{directory.base_dn}"


def add_fine_grained(forest: Forest, directory: Directory, policy: people.FineGrainedPolicy) -> None:
    """Create the policy and let the service account read it, since a PSO does not inherit from its container."""
    dn = f"CN={escape_rdn(policy.name)},{policy_container(directory)}"
    directory.add(
        dn,
        {
            "objectClass": "msDS-PasswordSettings",
            "msDS-PasswordSettingsPrecedence": policy.precedence,
            "msDS-PasswordReversibleEncryptionEnabled": "FALSE",
            "msDS-PasswordHistoryLength": policy.history,
            "msDS-PasswordComplexityEnabled": str(policy.complexity).upper(),
            "msDS-MinimumPasswordLength": policy.length,
            "msDS-MinimumPasswordAge": interval(policy.min_age),
            "msDS-MaximumPasswordAge": interval(policy.max_age) if policy.max_age else NEVER,
            "msDS-LockoutThreshold": policy.lockout_threshold,
            "msDS-LockoutObservationWindow": interval(1800),
            "msDS-LockoutDuration": interval(_DAY),
            "msDS-PSOAppliesTo": group_dn(directory, policy.group),
        },
    )
    directory.grant(dn, Entry(directory.sid(forest.service_dn), Access.GENERIC_READ))


def domain_policy(directory: Directory) -> None:
    """The domain's own policy as it is at first."""
    directory.replace(
        directory.base_dn,
        {
            "minPwdAge": 0,
            "maxPwdAge": interval(42 * _DAY),
            "minPwdLength": 8,
            "pwdHistoryLength": 3,
            "pwdProperties": 1,
            "lockoutThreshold": 10,
            "lockOutObservationWindow": interval(1800),
            "lockoutDuration": interval(_DAY),  # longer than any test or demo, so that who is locked stays locked
        },
    )


def _groups(directory: Directory) -> None:
    for name in people.GROUPS:
        directory.add(group_dn(directory, name), {"objectClass": "group", "sAMAccountName": name})
    for name, members in people.GROUPS.items():
        for member in members:
            directory.add_member(group_dn(directory, name), group_dn(directory, member))
    protected = directory.find(people.PROTECTED_GROUP)
    directory.add_member(protected, group_dn(directory, people.PROTECTED_MEMBER))


def _service_account(forest: Forest, directory: Directory, password: str) -> None:
    """An ordinary user who may do exactly what :data:`lab._rights.DELEGATED` says, and nothing in its own OU."""
    directory.add(
        forest.service_dn,
        {
            "objectClass": "user",
            "sAMAccountName": people.SERVICE_ACCOUNT,
            "userPrincipalName": forest.service_upn,
            "unicodePwd": password_value(password),
            "userAccountControl": NORMAL_ACCOUNT | PASSWORD_NEVER_EXPIRES,
        },
    )
    sid = directory.sid(forest.service_dn)
    for place, entry in _rights.DELEGATED.values():
        directory.grant(_rights.place_dn(directory, place), replace(entry, sid=sid))
