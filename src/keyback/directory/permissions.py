"""What the service account may do to an account, judged from security descriptors before anything is sent.

Sources: MS-ADTS 5.1.3.3 (access checks), MS-SAMR 3.1.1.8.7 (Unexpire Password), MS-ADA for the attributes and the
property sets that contain them, AD Schema for the rights' GUIDs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

import ldap
import ldap.dn

from keyback.directory.accounts import Account, read_dacl
from keyback.directory.connection import Connection
from keyback.directory.descriptors import (
    CHANGE_PASSWORD,
    CONTROL_ACCESS,
    WRITE_DACL,
    WRITE_OWNER,
    WRITE_PROPERTY,
    Ace,
    Dacl,
)
from keyback.directory.protection import protected_group

__all__ = ["Right", "Subject", "Verdict", "excess", "grant_place", "judge", "missing_rights", "source_of", "subject_of"]

USER_CLASS = UUID("bf967aba-0de6-11d0-a285-00aa003049e2")
_DOMAIN_CLASS = UUID("19195a5b-6da0-11d0-afd3-00c04fd930c9")
_GET_CHANGES_ALL = UUID("1131f6ad-9c07-11d1-f79f-00c04fc2dcd2")


class Right(StrEnum):
    """A right that the service account needs; the value is what administrators' tools call it."""

    RESET_PASSWORD = "Reset Password"  # noqa: S105 — the name of a right
    CHANGE_PASSWORD = "Change Password"  # noqa: S105 — the name of a right
    WRITE_LOCKOUT_TIME = "Write lockoutTime"
    WRITE_PWD_LAST_SET = "Write pwdLastSet"  # noqa: S105 — the name of a right
    UNEXPIRE_PASSWORD = "Unexpire Password"  # noqa: S105 — the name of a right; granted on the domain


@dataclass(frozen=True, slots=True)
class Subject:
    """What an access list is asked about: ``mask`` is one bit; ``name`` is what dsacls calls the right or attribute.

    ``also``: property set and class, entries for which count too.
    """

    mask: int
    guid: UUID
    name: str
    also: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """``entry`` is the one that decided, None where no entry speaks of the right, which denies it."""

    right: Right
    granted: bool
    entry: Ace | None = None


_SUBJECTS = {
    Right.RESET_PASSWORD: Subject(
        CONTROL_ACCESS, UUID("00299570-246d-11d0-a768-00aa006e0529"), "Reset Password", (USER_CLASS,)
    ),
    Right.CHANGE_PASSWORD: Subject(CONTROL_ACCESS, CHANGE_PASSWORD, "Change Password", (USER_CLASS,)),
    Right.WRITE_LOCKOUT_TIME: Subject(
        WRITE_PROPERTY, UUID("28630ebf-41d5-11d1-a9c1-0000f80367c1"), "lockoutTime", (USER_CLASS,)
    ),
    Right.WRITE_PWD_LAST_SET: Subject(
        WRITE_PROPERTY,
        UUID("bf967a0a-0de6-11d0-a285-00aa003049e2"),
        "pwdLastSet",
        (UUID("4c164200-20c0-11d0-a768-00aa006e0529"), USER_CLASS),  # the property set Account Restrictions
    ),
    Right.UNEXPIRE_PASSWORD: Subject(
        CONTROL_ACCESS, UUID("ccc2dc7d-a6ad-4a7a-8846-c04e3cc53501"), "Unexpire Password", (_DOMAIN_CLASS,)
    ),
}


def subject_of(right: Right) -> Subject:
    """What to ask an access list for this right."""
    return _SUBJECTS[right]


def judge(dacl: Dacl, own: str, token: frozenset[str], right: Right) -> Verdict:
    """Whether who holds ``token`` has ``right`` on the object with this list; ``own`` is that object's SID or ""."""
    subject = _SUBJECTS[right]
    entry = dacl.deciding(token, own, subject.mask, subject.guid, *subject.also)
    return Verdict(right, entry is not None and entry.allows, entry)


def missing_rights(connection: Connection, account: Account, wanted: Iterable[Right]) -> tuple[Right, ...]:
    """Those of ``wanted`` that the account signed in on ``connection`` lacks, in their order.

    All are taken to be held where a security descriptor cannot be read: the directory has the last word.
    """
    token = frozenset(connection.root.own_sids)
    missing = []
    for right in wanted:
        if right is Right.UNEXPIRE_PASSWORD:
            dacl, own = read_dacl(connection, connection.root.default_naming_context), ""
        else:
            dacl, own = account.dacl, account.sid
        if dacl is not None and not judge(dacl, own, token, right).granted:
            missing.append(right)
    return tuple(missing)


def grant_place(connection: Connection, dn: str, base: str, known: dict[str, Dacl | None]) -> str:
    """Where a right has to be granted so that it reaches ``dn``, which is below ``base``.

    That is ``base``, or the lowest object on the way down, ``dn`` included, that inherits nothing from above.
    ``known`` remembers access lists from call to call.
    """
    names = ldap.dn.str2dn(dn, ldap.DN_FORMAT_LDAPV3)
    depth = len(names) - len(ldap.dn.str2dn(base, ldap.DN_FORMAT_LDAPV3))
    for place in range(depth):
        above = ldap.dn.dn2str(names[place:])
        if above not in known:
            known[above] = read_dacl(connection, above)
        dacl = known[above]
        if dacl is not None and dacl.protected:
            return str(above)
    return base


def source_of(connection: Connection, dn: str, entry: Ace, known: dict[str, Dacl | None]) -> tuple[str, Ace] | None:
    """The object above ``dn`` that passes an inherited entry down, and the entry as it stands there.

    None where it cannot be seen. ``known`` as for `grant_place`.
    """
    names = ldap.dn.str2dn(dn, ldap.DN_FORMAT_LDAPV3)
    domain = len(ldap.dn.str2dn(connection.root.default_naming_context, ldap.DN_FORMAT_LDAPV3))
    for place in range(1, len(names) - domain + 1):
        above = ldap.dn.dn2str(names[place:])
        if above not in known:
            known[above] = read_dacl(connection, above)
        dacl = known[above]
        for given in dacl.bequeathed if dacl is not None else ():
            if (given.allows, given.mask, given.subject, given.sid) == (
                entry.allows,
                entry.mask,
                entry.subject,
                entry.sid,
            ):
                return above, given
    return None


def excess(connection: Connection, bases: Iterable[str]) -> tuple[str, ...]:
    """What the signed-in account may do beyond its task, one sentence each: what a thief of its password would gain.

    Looks at its groups, and at the access lists of the domain and of ``bases``. Raises NotFound for a missing base.
    """
    token = frozenset(connection.root.own_sids)
    domain = connection.root.default_naming_context
    found = [f"It is in {group}" for group in (protected_group(token),) if group]
    for dn in dict.fromkeys((domain, *bases)):
        dacl = read_dacl(connection, dn)
        if dacl is None:
            continue
        if dn == domain and dacl.grants(token, "", CONTROL_ACCESS, _GET_CHANGES_ALL):
            found.append(f"It has Replicating Directory Changes All on {dn}: it can read everybody's password hash")
        if any(dacl.grants(token, "", mask) for mask in (WRITE_DACL, WRITE_OWNER)):
            found.append(f"It may change the access list or the owner of {dn}: it can give itself anything there")
        if dacl.grants(token, "", WRITE_PROPERTY):
            found.append(f"It may write every attribute of {dn}")
    return tuple(found)
