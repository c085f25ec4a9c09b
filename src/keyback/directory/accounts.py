"""Reading one account: everything that a decision about it needs, in one search.

Sources: MS-ADTS 3.1.1.4.5 (constructed attributes), MS-ADA for the others, and for replPropertyMetaData the layout
of PROPERTY_META_DATA_VECTOR (version, count, then 48 bytes for each attribute), which MS-DRSR 4.1.10.2.22 describes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import ldap
from ldap.controls import RequestControl
from ldap.filter import filter_format

from keyback.directory._values import NEVER, Entry, filetime, sid_text
from keyback.directory.connection import Connection
from keyback.directory.descriptors import Dacl
from keyback.directory.errors import AmbiguousAnchor, NotFound
from keyback.passwords import PersonNames

__all__ = [
    "Account",
    "Lockout",
    "ReadBack",
    "Versions",
    "find_account",
    "guid_dn",
    "read_account",
    "read_back",
    "read_dacl",
]

DISABLED = 0x2
_LOCKED_OUT = 0x10  # authoritative in msDS-User-Account-Control-Computed only
_PASSWORD_NOT_REQUIRED = 0x20
NORMAL_ACCOUNT = 0x200
NEVER_EXPIRES = 0x10000
SMART_CARD_REQUIRED = 0x40000
_PASSWORD_EXPIRED = 0x800000  # as _LOCKED_OUT

_ATTRIBUTE_UNICODE_PWD = 0x9005A
_ATTRIBUTE_PWD_LAST_SET = 0x90060
_NEVER: tuple[int, datetime | None] = (0, None)

_STATE = (
    "pwdLastSet",
    "lockoutTime",
    "msDS-User-Account-Control-Computed",
    "replPropertyMetaData",
)
_ATTRIBUTES = (
    *_STATE,
    "objectGUID",
    "objectSid",
    "sAMAccountName",
    "userPrincipalName",
    "displayName",
    "givenName",
    "sn",
    "userAccountControl",
    "accountExpires",
    "adminCount",
    "badPwdCount",
    "badPasswordTime",
    "tokenGroups",
    "msDS-ResultantPSO",
    "msDS-UserPasswordExpiryTimeComputed",
    "nTSecurityDescriptor",
)


# LDAP_SERVER_SD_FLAGS_OID with owner and DACL: the SACL would need a privilege (MS-ADTS 3.1.1.3.4.1.11).
_DESCRIPTOR_PARTS = RequestControl(
    "1.2.840.113556.1.4.801", criticality=True, encodedControlValue=b"\x30\x03\x02\x01\x05"
)


@dataclass(frozen=True, slots=True)
class Versions:
    """How often the directory has written each attribute; 0 for never. It goes up by one with every write."""

    unicode_pwd: int
    pwd_last_set: int


@dataclass(frozen=True, slots=True)
class Lockout:
    """After ``threshold`` failures within ``window`` the account is locked out; 0: never. ``window`` None: for ever."""

    threshold: int
    window: timedelta | None


@dataclass(frozen=True, slots=True)
class ReadBack:
    """The state that a write changes, for looking again after it. Times are the directory's (UTC)."""

    versions: Versions
    pwd_last_set: datetime | None
    locked_out: bool
    password_expired: bool

    @property
    def must_change(self) -> bool:
        """Whether pwdLastSet is 0: the password has to be changed before it opens anything."""
        return self.pwd_last_set is None


@dataclass(frozen=True, slots=True)
class Account:
    """One account as the directory holds it. Times are the directory's (UTC).

    ``uac`` is userAccountControl, ``computed`` msDS-User-Account-Control-Computed. ``pwd_last_set`` is None when the
    password must be changed, ``account_expires`` None for never. ``token_group_sids`` holds all security groups,
    nested and primary. ``resultant_pso`` is the DN of the fine-grained policy that applies, None for the domain's.
    ``dacl`` is None where the service account may not read it.
    """

    dn: str
    guid: UUID
    sid: str
    sam: str
    upn: str | None
    display_name: str
    given_name: str
    surname: str
    uac: int
    computed: int
    pwd_last_set: datetime | None
    lockout_time: datetime | None
    account_expires: datetime | None
    admin_count: int
    bad_pwd_count: int
    bad_password_at: datetime | None
    password_changed_at: datetime | None
    password_expires_at: datetime | None
    token_group_sids: frozenset[str]
    versions: Versions
    resultant_pso: str | None
    dacl: Dacl | None = field(repr=False)

    @property
    def names(self) -> PersonNames:
        """The names that a new password is held against."""
        return PersonNames(self.sam, self.display_name, self.given_name, self.surname, self.upn or "")

    @property
    def is_person(self) -> bool:
        """Whether this is an ordinary account: not a computer's, a trust's or a group managed one."""
        return bool(self.uac & NORMAL_ACCOUNT)

    @property
    def disabled(self) -> bool:
        return bool(self.uac & DISABLED)

    @property
    def password_not_required(self) -> bool:
        """Whether it may have an empty password (PASSWD_NOTREQD)."""
        return bool(self.uac & _PASSWORD_NOT_REQUIRED)

    @property
    def never_expires(self) -> bool:
        return bool(self.uac & NEVER_EXPIRES)

    @property
    def smart_card_required(self) -> bool:
        return bool(self.uac & SMART_CARD_REQUIRED)

    @property
    def locked_out(self) -> bool:
        return bool(self.computed & _LOCKED_OUT)

    @property
    def password_expired(self) -> bool:
        return bool(self.computed & _PASSWORD_EXPIRED)

    @property
    def must_change(self) -> bool:
        """Whether pwdLastSet is 0 and counts: accounts whose password never expires ignore it."""
        return self.pwd_last_set is None and not self.never_expires

    def failures(self, window: timedelta | None, now: datetime) -> int:
        """Failed tries that count as yet: badPwdCount keeps its number after the window, until the next try."""
        if window is not None and self.bad_password_at is not None and self.bad_password_at + window <= now:
            return 0
        return self.bad_pwd_count

    @property
    def cannot_change(self) -> bool:
        """Whether "user cannot change password" is set; False where the descriptor cannot be read."""
        return self.dacl is not None and self.dacl.forbids_change()


def guid_dn(guid: UUID) -> str:
    """The name that finds an object wherever it has been moved (MS-ADTS 3.1.1.3.1.2.4)."""
    return f"<GUID={guid}>"


def read_account(connection: Connection, guid: UUID) -> Account:
    """The account, by objectGUID. Raises NotFound, and whatever the connection raises."""
    found = connection.search(guid_dn(guid), _ATTRIBUTES, controls=[_DESCRIPTOR_PARTS])
    if not found or not found[0].raw("objectSid"):
        raise NotFound(f"no account with objectGUID {guid}")
    return _account(found[0])


def read_back(connection: Connection, guid: UUID) -> ReadBack:
    """What a write changes, read again. Raises NotFound."""
    found = connection.search(guid_dn(guid), _STATE)
    if not found:
        raise NotFound(f"no account with objectGUID {guid}")
    entry = found[0]
    computed = entry.number("msDS-User-Account-Control-Computed")
    return ReadBack(
        versions=_versions(entry),
        pwd_last_set=filetime(entry.number("pwdLastSet")),
        locked_out=bool(computed & _LOCKED_OUT),
        password_expired=bool(computed & _PASSWORD_EXPIRED),
    )


def find_account(connection: Connection, user: str, base: str | None = None) -> UUID:
    """The objectGUID of the account with this userPrincipalName or sAMAccountName.

    ``base`` defaults to the whole domain. Raises NotFound and AmbiguousAnchor.
    """
    found = connection.search(
        base or connection.root.default_naming_context,
        ["objectGUID"],
        scope=ldap.SCOPE_SUBTREE,
        filter=filter_format("(&(objectCategory=person)(|(userPrincipalName=%s)(sAMAccountName=%s)))", (user, user)),
    )
    if not found:
        raise NotFound(f"no account is called {user}")
    if len(found) > 1:
        raise AmbiguousAnchor(f"{len(found)} accounts are called {user}: {'; '.join(entry.dn for entry in found)}")
    return found[0].guid("objectGUID")


def read_dacl(connection: Connection, dn: str) -> Dacl | None:
    """The access list of any object; None where the service account may not read it. Raises NotFound."""
    found = connection.search(dn, ["nTSecurityDescriptor"], controls=[_DESCRIPTOR_PARTS])
    if not found:
        raise NotFound(f"no object {dn}")
    return _dacl(found[0])


def _dacl(entry: Entry) -> Dacl | None:
    descriptor = entry.raw("nTSecurityDescriptor")
    return Dacl.parse(descriptor[0]) if descriptor else None


def _account(entry: Entry) -> Account:
    return Account(
        dn=entry.dn,
        guid=entry.guid("objectGUID"),
        sid=sid_text(entry.raw("objectSid")[0]),
        sam=entry.text("sAMAccountName"),
        upn=entry.text("userPrincipalName") or None,
        display_name=entry.text("displayName"),
        given_name=entry.text("givenName"),
        surname=entry.text("sn"),
        uac=entry.number("userAccountControl"),
        computed=entry.number("msDS-User-Account-Control-Computed"),
        pwd_last_set=filetime(entry.number("pwdLastSet")),
        lockout_time=filetime(entry.number("lockoutTime")),
        account_expires=_moment(entry.number("accountExpires")),
        admin_count=entry.number("adminCount"),
        bad_pwd_count=entry.number("badPwdCount"),
        bad_password_at=filetime(entry.number("badPasswordTime")),
        password_changed_at=_written(entry).get(_ATTRIBUTE_UNICODE_PWD, _NEVER)[1],
        password_expires_at=_moment(entry.number("msDS-UserPasswordExpiryTimeComputed")),
        token_group_sids=frozenset(map(sid_text, entry.raw("tokenGroups"))),
        versions=_versions(entry),
        resultant_pso=entry.text("msDS-ResultantPSO") or None,
        dacl=_dacl(entry),
    )


def _moment(value: int) -> datetime | None:
    return None if value == NEVER else filetime(value)


def _versions(entry: Entry) -> Versions:
    found = _written(entry)
    return Versions(found.get(_ATTRIBUTE_UNICODE_PWD, _NEVER)[0], found.get(_ATTRIBUTE_PWD_LAST_SET, _NEVER)[0])


def _written(entry: Entry) -> dict[int, tuple[int, datetime | None]]:
    """Attribute number → version and time of its last write: 48 bytes each, after a header of 16 that ends in the
    count. Times are in seconds since 1601."""
    values = entry.raw("replPropertyMetaData")
    if not values:
        return {}
    (count,) = struct.unpack_from("<I", values[0], 8)
    rows = [struct.unpack_from("<IIq", values[0], 16 + 48 * position) for position in range(count)]
    return {number: (version, filetime(seconds * 10**7)) for number, version, seconds in rows}
