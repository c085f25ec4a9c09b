"""Make, change and restore the accounts of a forest, quickly: one LDAPS connection, no process."""

from __future__ import annotations

import itertools
import secrets
import struct
import time
from collections.abc import Mapping
from typing import Any

import ldap

from lab import _namespace, _populate, _rights
from lab._descriptor import Dacl
from lab._directory import Directory, Value, escape_filter, open_ldap, password_value
from lab.errors import ControllerError
from lab.forest import Forest
from lab.people import FINE_GRAINED, INITIAL_PASSWORD, PEOPLE, Kind, Person

_EPOCH_DIFFERENCE = 11_644_473_600  # seconds from 1601, where FILETIME begins, to 1970
# Of Samba's own, for its databases' files only: lets pwdLastSet take any value.
_ANY_LAST_SET = "local_oid:1.3.6.1.4.1.7165.4.3.20:0"
_UNICODE_PWD = 0x0009005A  # ATTID in replPropertyMetaData
_META_HEADER, _META_ROW = struct.Struct("<IIII"), struct.Struct("<IIQ16sQQ")
_serial = itertools.count(1)


def new_person(
    forest: Forest,
    kind: Kind = Kind.ORDINARY,
    *,
    account: str | None = None,
    given: str = "Test",
    surname: str | None = None,
    mail: str | None = None,
    mobile: str = "",
    suffix: int = 0,
    groups: tuple[str, ...] = (),
    password: str | None = INITIAL_PASSWORD,
) -> Person:
    """Create a person of ``kind``; account and surname are unique unless given. Arguments as in :class:`Person`."""
    unique = f"t{next(_serial)}{secrets.token_hex(4)}"
    if kind is Kind.WITHOUT_PASSWORD:
        password = ""
    elif kind is Kind.UNKNOWN_PASSWORD:
        password = None
    if kind is Kind.NO_MAIL:
        mail = ""
    if kind is Kind.NESTED_ADMIN:
        groups = (*groups, "Night Shift")
    elif kind is Kind.FINE_GRAINED:
        groups = (*groups, FINE_GRAINED[0].group)
    row = Person(account or unique, given, surname or unique.upper(), kind, mail, mobile, suffix, groups, password)
    with forest.administrator() as directory:
        _populate.write_person(forest, directory, row)
    make_lasting(forest, row)
    return row


def make_lasting(forest: Forest, row: Person) -> None:
    """What a kind needs that only the passing of time or of failures brings about."""
    if row.kind is Kind.LOCKED:
        lock_out(forest, row.account)
    elif row.kind is Kind.PASSWORD_EXPIRED:
        age_password(forest, row.account, 100 * 86400)


def reset_person(forest: Forest, account: str) -> None:
    """Bring a person of the table back to the initial state: same objectGUID, password, flags, rights, groups.

    Who has no password is made anew, since a password cannot be taken away.
    """
    row = next(row for row in PEOPLE if row.account == account)
    with forest.administrator() as directory:
        dn = directory.find(account)
        if row.kind is Kind.WITHOUT_PASSWORD:
            directory.delete(dn)
            _populate.write_person(forest, directory, row)
            return
        service = directory.sid(forest.service_dn)
        dacl = directory.dacl(dn).with_inheritance()
        directory.set_dacl(dn, dacl.removing(*_populate.CANNOT_CHANGE, *_rights.denials(service)))
        values = _populate.initial_values(forest, row)
        directory.replace(dn, {"unicodePwd": password_value(row.password or secrets.token_urlsafe(24) + "-aA1")})
        directory.replace(dn, {**values, "lockoutTime": 0})
        _populate.apply_kind(directory, dn, row.kind)
        _restore_groups(directory, dn, row)
    make_lasting(forest, row)


def delete_person(forest: Forest, account: str) -> None:
    with forest.administrator() as directory:
        directory.delete(directory.find(account))


def set_password(forest: Forest, account: str, password: str, *, must_change: bool = False) -> None:
    """A reset by the Administrator, who is not held to history and minimum age."""
    change: dict[str, Value] = {"unicodePwd": password_value(password)}
    if must_change:
        change["pwdLastSet"] = 0
    set_attributes(forest, account, change)


def set_attributes(forest: Forest, account: str, values: Mapping[str, Value]) -> None:
    """Replace attributes of an account in one modify; None removes one."""
    with forest.administrator() as directory:
        directory.replace(directory.find(account), values)


def get_attributes(forest: Forest, account: str, *names: str) -> dict[str, list[bytes]]:
    """Read an account as the Administrator sees it; constructed attributes must be named."""
    with forest.administrator() as directory:
        return directory.read(directory.find(account), *names)


def lock_out(forest: Forest, account: str) -> None:
    """Lock the account as an attacker does: wrong passwords until the directory has had enough."""
    with forest.administrator() as directory:
        dn = directory.find(account)
        for _ in range(100):
            values = directory.read(dn, "msDS-User-Account-Control-Computed")
            if int(values["msDS-User-Account-Control-Computed"][0]) & 0x10:
                return
            _fail_to_bind(forest, dn)
    raise ControllerError(f"{account} does not lock: the lock-out threshold of its policy is 0 or above 100")


def unlock(forest: Forest, account: str) -> None:
    set_attributes(forest, account, {"lockoutTime": 0})


def age_password(forest: Forest, account: str, seconds: float) -> None:
    """Make the password ``seconds`` old: pwdLastSet is written past LDAP, which only takes 0 and -1."""
    with forest.administrator() as directory:
        dn = directory.find(account)
    stamp = round((time.time() - seconds + _EPOCH_DIFFERENCE) * 10_000_000)
    ldif = f"dn: {dn}\nchangetype: modify\nreplace: pwdLastSet\npwdLastSet: {stamp}\n"
    command = ["ldbmodify", "-H", "/forest/private/sam.ldb", f"--controls={_ANY_LAST_SET}"]
    data = forest.data_of(forest.controllers[0])
    _namespace.run_inside(forest.root, command, forest=data, stdin=ldif)


def set_admin_count(forest: Forest, account: str, protected: bool) -> None:
    """Mark the account as protected, or no longer. Inheritance of rights is left as it is."""
    set_attributes(forest, account, {"adminCount": 1 if protected else None})


def set_inheritance(forest: Forest, account: str, inherits: bool) -> None:
    """Let the account inherit the rights delegated on its OU, or cut it off."""
    with forest.administrator() as directory:
        dn = directory.find(account)
        dacl: Dacl = directory.dacl(dn)
        directory.set_dacl(dn, dacl.with_inheritance() if inherits else dacl.without_inheritance())


def add_to_group(forest: Forest, account: str, group: str) -> None:
    with forest.administrator() as directory:
        directory.add_member(directory.find(group), directory.find(account))


def remove_from_group(forest: Forest, account: str, group: str) -> None:
    with forest.administrator() as directory:
        directory.remove_member(directory.find(group), directory.find(account))


def password_version(forest: Forest, account: str, controller: str | None = None) -> int:
    """How many times ``unicodePwd`` was written on this account, as replication counts it; 0 for never."""
    with forest.administrator(controller) as directory:
        raw = directory.read(directory.find(account), "replPropertyMetaData")["replPropertyMetaData"][0]
    rows = _META_ROW.iter_unpack(raw[_META_HEADER.size :])
    return next((version for attribute, version, *_ in rows if attribute == _UNICODE_PWD), 0)


def _fail_to_bind(forest: Forest, dn: str) -> None:
    connection: Any = open_ldap(forest.ldaps_url, forest.ca_file)
    try:
        connection.simple_bind_s(dn, secrets.token_urlsafe(12))
    except ldap.INVALID_CREDENTIALS:
        pass
    finally:
        connection.unbind_s()


def _restore_groups(directory: Directory, dn: str, row: Person) -> None:
    wanted = {_populate.group_dn(directory, name).lower(): name for name in row.groups}
    held = directory.search(directory.base_dn, f"(member={escape_filter(dn)})", ("1.1",))
    for group, _ in held:
        if wanted.pop(group.lower(), None) is None:
            directory.remove_member(group, dn)
    for name in wanted.values():
        directory.add_member(_populate.group_dn(directory, name), dn)
