"""Rights are foreseen as the directory decides: for each arrangement of entries the verdict is compared with what then
really happens when the service account resets, changes, unlocks and expires."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import ldap
import pytest
from ldap.controls import RequestControl
from tests.lab.directory.conftest import server_of
from tests.lab.service import Service

from keyback.directory import Connection, Right, connect, find_account, read_account
from keyback.directory.accounts import read_dacl
from keyback.directory.permissions import judge, subject_of
from lab import Forest
from lab._descriptor import Access, Entry, Inherit, sid_bytes
from lab._directory import Directory, password_value

pytestmark = pytest.mark.lab

PASSWORD = "Initial-Pa55word!"
ON_PERSON = (Right.RESET_PASSWORD, Right.CHANGE_PASSWORD, Right.WRITE_LOCKOUT_TIME, Right.WRITE_PWD_LAST_SET)

ME, GROUP, NESTED, STRANGER, PERSON = "me", "group", "nested", "stranger", "person"
EVERYONE, SELF, USERS, OWNER = "S-1-1-0", "S-1-5-10", "S-1-5-11", "S-1-3-4"

RESET = "00299570-246d-11d0-a768-00aa006e0529"
CHANGE = "ab721a53-1e2f-11d0-9819-00aa0040529b"
LOCKOUT = "28630ebf-41d5-11d1-a9c1-0000f80367c1"
LAST_SET = "bf967a0a-0de6-11d0-a285-00aa003049e2"
RESTRICTIONS = "4c164200-20c0-11d0-a768-00aa006e0529"
PERSONAL = "77b5b886-944a-11d1-aebd-0000f80367c1"
USER_CLASS = "bf967aba-0de6-11d0-a285-00aa003049e2"
GROUP_CLASS = "bf967a9c-0de6-11d0-a285-00aa003049e2"
UNEXPIRE = "ccc2dc7d-a6ad-4a7a-8846-c04e3cc53501"

CR, WP = Access.CONTROL_ACCESS, Access.WRITE_PROPERTY
ALL = Access(0xF01FF)
GENERIC_ALL, GENERIC_WRITE, GENERIC_READ = Access(0x10000000), Access(0x40000000), Access(0x80000000)
BELOW, BELOW_AND_HERE, DIRECT_ONLY = Inherit.BELOW, Inherit.HERE_AND_BELOW, Inherit(0x0E)  # 0x4: not further down


def allow(
    who: str, access: Access, right: str | None = None, *, to: str | None = None, at: Inherit = Inherit.HERE
) -> Entry:
    return Entry(who, access, inherit=at, right=right, applies_to=to)


def deny(
    who: str, access: Access, right: str | None = None, *, to: str | None = None, at: Inherit = Inherit.HERE
) -> Entry:
    return Entry(who, access, allow=False, inherit=at, right=right, applies_to=to)


@dataclass(frozen=True)
class Arrangement:
    """Entries of the unit above and of the person. ``granted``: what is expected, by initials (pwdLastSet is P).

    ``change``: whether Change Password is expected, which everybody has by default. ``deeper``: one more unit in
    between. ``kept_order``: as written here, where the directory's tools would put denials first. ``owner``: the
    service account owns the person (what Owner Rights then mean, Samba and Windows see differently).
    """

    name: str
    granted: str = ""
    person: tuple[Entry, ...] = ()
    unit: tuple[Entry, ...] = ()
    protected: bool = False
    deeper: bool = False
    change: bool = True
    kept_order: bool = False
    owner: bool = False


ARRANGEMENTS = [
    Arrangement("nothing is granted"),
    Arrangement(
        "delegated on the unit for users below",
        "RLP",
        unit=(
            allow(ME, CR, RESET, to=USER_CLASS, at=BELOW),
            allow(ME, WP, LOCKOUT, to=USER_CLASS, at=BELOW),
            allow(ME, WP, LAST_SET, to=USER_CLASS, at=BELOW),
        ),
    ),
    Arrangement("delegated two units above", "R", unit=(allow(ME, CR, RESET, to=USER_CLASS, at=BELOW),), deeper=True),
    Arrangement(
        "delegated for direct children only, two units above",
        "",
        deeper=True,
        unit=(allow(ME, CR, RESET, to=USER_CLASS, at=DIRECT_ONLY),),
    ),
    Arrangement("delegated for direct children", "R", unit=(allow(ME, CR, RESET, to=USER_CLASS, at=DIRECT_ONLY),)),
    Arrangement("delegated for groups below", "", unit=(allow(ME, CR, RESET, to=GROUP_CLASS, at=BELOW),)),
    Arrangement("delegated for everything below", "R", unit=(allow(ME, CR, RESET, at=BELOW),)),
    Arrangement("granted on the unit itself, not below", "", unit=(allow(ME, CR, RESET),)),
    Arrangement("granted on the unit and below", "R", unit=(allow(ME, CR, RESET, at=BELOW_AND_HERE),)),
    Arrangement("the person does not inherit", "", protected=True, unit=(allow(ME, CR, RESET, at=BELOW),)),
    Arrangement(
        "the person does not inherit, but has it",
        "R",
        (allow(ME, CR, RESET),),
        protected=True,
        unit=(deny(ME, CR, RESET, at=BELOW),),
    ),
    Arrangement("Reset Password on the person", "R", (allow(ME, CR, RESET),)),
    Arrangement("inherit-only on the person", "", (allow(ME, CR, RESET, at=BELOW),)),
    Arrangement("lockoutTime on the person", "L", (allow(ME, WP, LOCKOUT),)),
    Arrangement("pwdLastSet on the person", "P", (allow(ME, WP, LAST_SET),)),
    Arrangement("property set Account Restrictions", "P", (allow(ME, WP, RESTRICTIONS),)),
    Arrangement("another property set", "", (allow(ME, WP, PERSONAL),)),
    Arrangement("read but not write", "", (allow(ME, Access.READ_PROPERTY, LOCKOUT),)),
    Arrangement("every extended right", "R", (allow(ME, CR),)),
    Arrangement("every attribute", "LP", (allow(ME, WP),)),
    Arrangement("every attribute of the class", "LP", (allow(ME, WP, USER_CLASS),)),
    Arrangement("every attribute of another class", "", (allow(ME, WP, GROUP_CLASS),)),
    Arrangement("full control", "RLP", (allow(ME, ALL),)),
    Arrangement("generic all", "RLP", (allow(ME, GENERIC_ALL),)),
    Arrangement("generic all from above", "RLP", unit=(allow(ME, GENERIC_ALL, at=BELOW),)),
    Arrangement("generic write", "LP", (allow(ME, GENERIC_WRITE),)),
    Arrangement("generic read", "", (allow(ME, GENERIC_READ),)),
    Arrangement("the right of a group", "R", (allow(GROUP, CR, RESET),)),
    Arrangement("the right of a group's group", "R", (allow(NESTED, CR, RESET),)),
    Arrangement("the right of a stranger", "", (allow(STRANGER, CR, RESET),)),
    Arrangement("Everyone's right", "R", (allow(EVERYONE, CR, RESET),)),
    Arrangement("all authenticated users' right", "L", (allow(USERS, WP, LOCKOUT),)),
    Arrangement("SELF is the person", "", (allow(SELF, ALL),)),
    Arrangement("SELF is denied everything", "R", (deny(SELF, ALL), allow(ME, CR, RESET))),
    Arrangement("the person's own right", "", (allow(PERSON, CR, RESET),)),
    Arrangement(
        "denied on the person, allowed on the unit", "", (deny(ME, CR, RESET),), unit=(allow(ME, CR, RESET, at=BELOW),)
    ),
    Arrangement(
        "denied on the unit, allowed on the person", "R", (allow(ME, CR, RESET),), unit=(deny(ME, CR, RESET, at=BELOW),)
    ),
    Arrangement(
        "denied and allowed on the unit", "", unit=(deny(ME, CR, RESET, at=BELOW), allow(ME, CR, RESET, at=BELOW))
    ),
    Arrangement("a group is denied, the account allowed", "", (deny(GROUP, CR, RESET), allow(ME, CR, RESET))),
    Arrangement("a group's group is denied", "", (deny(NESTED, CR, RESET), allow(GROUP, CR, RESET))),
    Arrangement("a stranger is denied", "R", (deny(STRANGER, CR, RESET), allow(ME, CR, RESET))),
    Arrangement("Everyone is denied", "", (deny(EVERYONE, CR, RESET), allow(ME, CR, RESET))),
    Arrangement("another right is denied", "R", (deny(ME, CR, CHANGE), allow(ME, CR, RESET)), change=False),
    Arrangement("every extended right is denied", "", (deny(ME, CR), allow(ME, CR, RESET)), change=False),
    Arrangement(
        "the property set is denied, the attribute allowed", "", (deny(ME, WP, RESTRICTIONS), allow(ME, WP, LAST_SET))
    ),
    Arrangement(
        "the attribute is denied, the property set allowed", "", (deny(ME, WP, LAST_SET), allow(ME, WP, RESTRICTIONS))
    ),
    Arrangement("one attribute is denied, all allowed", "P", (deny(ME, WP, LOCKOUT), allow(ME, WP))),
    Arrangement("the property set is denied, all allowed", "L", (deny(ME, WP, RESTRICTIONS), allow(ME, WP))),
    Arrangement("writing is denied, full control allowed", "R", (deny(ME, WP), allow(ME, ALL))),
    Arrangement(
        "full control denied from above, allowed here",
        "R",
        (allow(ME, CR, RESET),),
        unit=(deny(ME, CR | WP, at=BELOW),),
    ),
    Arrangement(
        "user cannot change password",
        "R",
        (deny(EVERYONE, CR, CHANGE), deny(SELF, CR, CHANGE), allow(ME, CR, RESET)),
        change=False,
    ),
    Arrangement(
        "a group's delegation from above, the account's denial from further above",
        "R",
        deeper=True,
        unit=(deny(ME, CR, RESET, to=USER_CLASS, at=BELOW),),
        person=(allow(GROUP, CR, RESET),),
    ),
    Arrangement(
        "allowed before denied, out of order", "R", (allow(ME, CR, RESET), deny(ME, CR, RESET)), kept_order=True
    ),
    Arrangement(
        "its owner has no right by that",
        owner=True,
    ),
    Arrangement("Owner Rights of another owner", "", (allow(OWNER, CR, RESET),)),
    Arrangement(
        "a group allowed before Everyone is denied, out of order",
        "L",
        (allow(GROUP, WP, LOCKOUT), deny(EVERYONE, WP, LOCKOUT)),
        kept_order=True,
    ),
]


@dataclass
class Ground:
    """Where arrangements are laid out, and who is who."""

    admin: Directory
    service: Service
    connection: Connection
    unit: str
    sids: dict[str, str]

    def give(self, dn: str) -> None:
        """Make the service account the owner."""
        descriptor = struct.pack("<BBHIIII", 1, 0, 0x8000, 20, 0, 0, 0) + sid_bytes(self.sids[ME])
        change = [(ldap.MOD_REPLACE, "nTSecurityDescriptor", [descriptor])]
        owner_only = RequestControl("1.2.840.113556.1.4.801", True, b"\x30\x03\x02\x01\x01")
        self.admin._ldap.modify_ext_s(dn, change, serverctrls=[owner_only])

    def lay(self, dn: str, entries: tuple[Entry, ...], *, protected: bool = False, kept_order: bool = False) -> None:
        named = [replace(entry, sid=self.sids.get(entry.sid, entry.sid)) for entry in entries]
        dacl = self.admin.dacl(dn)
        if protected:
            dacl = dacl.without_inheritance()
        if kept_order:
            dacl = replace(dacl, entries=tuple(entry.pack() for entry in named) + dacl.entries)
        else:
            dacl = dacl.adding(*named)
        self.admin.set_dacl(dn, dacl)


@pytest.fixture(scope="module")
def ground(forest: Forest) -> Iterator[Ground]:
    with forest.administrator() as admin:
        unit = f"OU=Arrangements,{admin.base_dn}"
        admin.add(unit, {"objectClass": "organizationalUnit"})
        me = forest.service_dn
        for name, member in (("deputies", me), ("deputies-of-deputies", f"CN=deputies,{unit}"), ("strangers", None)):
            admin.add(f"CN={name},{unit}", {"objectClass": "group", "sAMAccountName": name, "member": member})
        sids = {
            ME: admin.sid(me),
            GROUP: admin.sid(f"CN=deputies,{unit}"),
            NESTED: admin.sid(f"CN=deputies-of-deputies,{unit}"),
            STRANGER: admin.sid(f"CN=strangers,{unit}"),
        }
        try:
            with connect(server_of(forest)) as connection:  # after the groups were made: the token holds them
                yield Ground(admin, Service(forest), connection, unit, sids)
        finally:
            admin.delete(unit)


def happens(action: Any, *arguments: Any, **options: Any) -> bool:
    try:
        action(*arguments, **options)
    except ldap.INSUFFICIENT_ACCESS:
        return False
    except ldap.CONSTRAINT_VIOLATION as error:  # what Samba says to a change without the right
        assert "module acl" in error.args[0]["info"]
        return False
    return True


def put_person(ground: Ground, arrangement: Arrangement) -> str:
    """A fresh person in the arrangement; the account's name."""
    number = ARRANGEMENTS.index(arrangement)
    account = f"arranged{number}"
    above = f"OU=case {number},{ground.unit}"
    ground.admin.add(above, {"objectClass": "organizationalUnit"})
    ground.lay(above, arrangement.unit)
    if arrangement.deeper:
        above = f"OU=deeper,{above}"
        ground.admin.add(above, {"objectClass": "organizationalUnit"})
    dn = f"CN={account},{above}"
    ground.admin.add(
        dn,
        {
            "objectClass": "user",
            "sAMAccountName": account,
            "unicodePwd": password_value(PASSWORD),
            "userAccountControl": 512,
        },
    )
    ground.sids[PERSON] = ground.admin.sid(dn)
    ground.lay(dn, arrangement.person, protected=arrangement.protected, kept_order=arrangement.kept_order)
    if arrangement.owner:
        ground.give(dn)
    return account


@pytest.mark.parametrize("arrangement", ARRANGEMENTS, ids=lambda one: one.name)
def test_the_verdict_is_what_happens(ground: Ground, arrangement: Arrangement) -> None:
    account = put_person(ground, arrangement)
    seen = read_account(ground.connection, find_account(ground.connection, account))
    assert seen.dacl is not None
    token = frozenset(ground.connection.root.own_sids)
    verdicts = {right: judge(seen.dacl, seen.sid, token, right).granted for right in ON_PERSON}

    service, fresh = ground.service, "Reset-by-Serv1ce!"
    reset = happens(service.reset, account, fresh, hints=False)
    really = {
        Right.RESET_PASSWORD: reset,
        Right.CHANGE_PASSWORD: happens(service.change, account, fresh if reset else PASSWORD, "Ch4nged-by-service!"),
        Right.WRITE_LOCKOUT_TIME: happens(service.write, account, lockoutTime="0"),
        Right.WRITE_PWD_LAST_SET: happens(service.write, account, pwdLastSet="0"),
    }
    assert verdicts == really
    assert {right for right, granted in verdicts.items() if granted} == {
        *({Right.CHANGE_PASSWORD} if arrangement.change else ()),
        *({Right.RESET_PASSWORD} if "R" in arrangement.granted else ()),
        *({Right.WRITE_LOCKOUT_TIME} if "L" in arrangement.granted else ()),
        *({Right.WRITE_PWD_LAST_SET} if "P" in arrangement.granted else ()),
    }


@pytest.mark.parametrize(
    ("entry", "granted"),
    [
        pytest.param(None, True, id="as every domain has it"),
        pytest.param(deny(ME, CR, UNEXPIRE), False, id="denied to the account"),
        pytest.param(deny(NESTED, CR, UNEXPIRE), False, id="denied to a group's group"),
        pytest.param(deny(ME, CR), False, id="every extended right is denied"),
        pytest.param(deny(STRANGER, CR, UNEXPIRE), True, id="denied to a stranger"),
        pytest.param(deny(ME, CR, UNEXPIRE, at=BELOW), True, id="denied below only"),
    ],
)
def test_unexpire_password_is_judged_on_the_domain(ground: Ground, entry: Entry | None, granted: bool) -> None:
    name = f"unexpired{abs(hash(entry)) % 100_000}"
    ground.admin.add(
        f"CN={name},{ground.unit}",
        {
            "objectClass": "user",
            "sAMAccountName": name,
            "unicodePwd": password_value(PASSWORD),
            "userAccountControl": 512,
        },
    )
    ground.lay(f"CN={name},{ground.unit}", (allow(ME, WP, LAST_SET),))
    domain = ground.admin.base_dn
    laid = () if entry is None else (replace(entry, sid=ground.sids[entry.sid]),)
    ground.admin.grant(domain, *laid)
    try:
        dacl = read_dacl(ground.connection, domain)
        assert dacl is not None
        token = frozenset(ground.connection.root.own_sids)
        assert judge(dacl, "", token, Right.UNEXPIRE_PASSWORD).granted is granted
        assert happens(ground.service.write, name, pwdLastSet="-1") is granted
    finally:
        ground.admin.ungrant(domain, *laid)


def test_the_property_sets_are_those_of_the_schema(ground: Ground) -> None:
    schema = f"CN=Schema,{ground.connection.root.configuration_naming_context}"
    for right in (Right.WRITE_LOCKOUT_TIME, Right.WRITE_PWD_LAST_SET):
        subject = subject_of(right)
        found = ground.admin.search(
            schema, f"(lDAPDisplayName={subject.name})", ("schemaIDGUID", "attributeSecurityGUID"), scope="one"
        )
        values = found[0][1]
        assert values["schemaIDGUID"][0] == subject.guid.bytes_le
        sets = [guid.bytes_le for guid in subject.also[:-1]]  # the last is the class
        assert values.get("attributeSecurityGUID", []) == sets
