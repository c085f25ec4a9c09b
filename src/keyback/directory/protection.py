"""Who is never written, and whose state forbids it: judged on the account as just read, whatever is asked.

The groups are those that AdminSDHolder protects ("Protected Accounts and Groups in Active Directory", Appendix C),
recognized by SID in tokenGroups, so that nesting and renaming hide nobody. adminCount alone would not do: it comes
up to an hour late.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import ldap
import ldap.dn

from keyback.directory.accounts import Account

__all__ = ["Guard", "Reason", "Refusal", "is_below", "protected_group"]

_PROTECTED_GROUPS = {
    "S-1-5-32-544": "Administrators",
    "S-1-5-32-548": "Account Operators",
    "S-1-5-32-549": "Server Operators",
    "S-1-5-32-550": "Print Operators",
    "S-1-5-32-551": "Backup Operators",
    "S-1-5-32-552": "Replicator",
}
# In any domain of the forest: relative identifiers below 1000 are handed out by Windows alone.
_PROTECTED_RIDS = {
    512: "Domain Admins",
    516: "Domain Controllers",
    518: "Schema Admins",
    519: "Enterprise Admins",
    521: "Read-only Domain Controllers",
    526: "Key Admins",  # since Windows Server 2016; may give any account a key to sign in with
    527: "Enterprise Key Admins",
}
_RID_ADMINISTRATOR = 500
_RID_KRBTGT = 502
_KRBTGT = re.compile(r"krbtgt(_\d+)?", re.IGNORECASE)  # each read-only controller has one with a number
_SID = re.compile(r"S-1-\d+(-\d+)+")
_DOMAIN_SID = re.compile(r"S-1-5-21-\d+-\d+-\d+-(\d+)")


class Reason(StrEnum):
    """Why an account is not written. Codes never change."""

    BUILTIN_ADMINISTRATOR = "builtin_administrator"
    KRBTGT = "krbtgt"
    PROTECTED_GROUP = "protected_group"
    ADMIN_COUNT = "admin_count"
    NOT_A_PERSON = "not_a_person"
    SERVICE_ACCOUNT = "service_account"
    LISTED = "listed"
    OUT_OF_SCOPE = "out_of_scope"
    DISABLED = "disabled"
    ACCOUNT_EXPIRED = "account_expired"
    CANNOT_CHANGE = "cannot_change"
    SMART_CARD_REQUIRED = "smart_card_required"
    NEVER_EXPIRES = "never_expires"


_STATES = frozenset(
    {
        Reason.DISABLED,
        Reason.ACCOUNT_EXPIRED,
        Reason.CANNOT_CHANGE,
        Reason.SMART_CARD_REQUIRED,
        Reason.NEVER_EXPIRES,
    },
)
_REFUSED = frozenset({Reason.CANNOT_CHANGE, Reason.SMART_CARD_REQUIRED})


@dataclass(frozen=True, slots=True)
class Refusal:
    """``detail`` is for the administrator: the group, the list's entry, the date."""

    reason: Reason
    detail: str = ""

    @property
    def protected(self) -> bool:
        """Whether the account is never written at all, rather than not in its present state."""
        return self.reason not in _STATES


@dataclass(frozen=True)
class Guard:
    """What this agent may write. ``bases``: DNs below which accounts are in its scope (none: nothing is).

    ``listed_sids`` (of accounts or groups) and ``listed_dns`` (of accounts, or of what is above them) are the
    operator's own list. ``states``: which of *cannot change*, *smart card required* and *never expires* are refused,
    beside disabled and expired accounts, which always are. Raises ValueError for what is no SID or DN: a slip in the
    list must not protect nobody.
    """

    own_sid: str
    bases: tuple[str, ...]
    listed_sids: frozenset[str] = frozenset()
    listed_dns: frozenset[str] = frozenset()
    states: frozenset[Reason] = _REFUSED

    def __post_init__(self) -> None:
        for sid in self.listed_sids:
            if not _SID.fullmatch(sid):
                raise ValueError(f"{sid!r} is not a SID such as S-1-5-21-1-2-3-1104")
        for dn in (*self.bases, *self.listed_dns):
            if not dn or not ldap.dn.is_dn(dn, ldap.DN_FORMAT_LDAPV3):
                raise ValueError(f"{dn!r} is not a distinguished name such as OU=People,DC=example,DC=test")

    def refusal(self, account: Account, now: datetime) -> Refusal | None:
        """The first reason against writing, or None. ``now``: the directory's time (`Connection.server_time`)."""
        return self._protection(account) or self._state(account, now)

    def _protection(self, account: Account) -> Refusal | None:
        rid = _domain_rid(account.sid)
        if rid == _RID_ADMINISTRATOR:
            return Refusal(Reason.BUILTIN_ADMINISTRATOR)
        if rid == _RID_KRBTGT or _KRBTGT.fullmatch(account.sam):
            return Refusal(Reason.KRBTGT)
        if account.sid == self.own_sid:
            return Refusal(Reason.SERVICE_ACCOUNT)
        if not account.is_person:
            return Refusal(Reason.NOT_A_PERSON, f"userAccountControl {account.uac:#x}")
        if group := protected_group(account.token_group_sids):
            return Refusal(Reason.PROTECTED_GROUP, group)
        if account.admin_count:
            return Refusal(Reason.ADMIN_COUNT, f"adminCount {account.admin_count}")
        if listed := self._listed(account):
            return Refusal(Reason.LISTED, listed)
        if not any(is_below(account.dn, base) for base in self.bases):
            return Refusal(Reason.OUT_OF_SCOPE, account.dn)
        return None

    def _state(self, account: Account, now: datetime) -> Refusal | None:
        if account.disabled:
            return Refusal(Reason.DISABLED)
        if account.account_expires is not None and account.account_expires <= now:
            return Refusal(Reason.ACCOUNT_EXPIRED, account.account_expires.isoformat())
        held = {
            Reason.SMART_CARD_REQUIRED: account.smart_card_required,
            Reason.CANNOT_CHANGE: account.cannot_change,
            Reason.NEVER_EXPIRES: account.never_expires,
        }
        return next((Refusal(reason) for reason, holds in held.items() if holds and reason in self.states), None)

    def _listed(self, account: Account) -> str | None:
        sids = {account.sid, *account.token_group_sids} & self.listed_sids
        return min(sids, default=None) or next((dn for dn in self.listed_dns if is_below(account.dn, dn)), None)


def _domain_rid(sid: str) -> int | None:
    found = _DOMAIN_SID.fullmatch(sid)
    return int(found[1]) if found else None


def protected_group(sids: frozenset[str]) -> str | None:
    """The first of these groups that Active Directory protects, as "name (SID)", or None."""
    for sid in sorted(sids):
        name = _PROTECTED_GROUPS.get(sid) or _PROTECTED_RIDS.get(_domain_rid(sid) or 0)
        if name:
            return f"{name} ({sid})"
    return None


def is_below(dn: str, base: str) -> bool:
    """Whether ``dn`` is ``base`` or below it, whatever the spelling of either (RFC 4514)."""
    inner, outer = _parts(dn), _parts(base)
    return len(inner) >= len(outer) and inner[len(inner) - len(outer) :] == outer


def _parts(dn: str) -> list[list[tuple[str, str]]]:
    return [
        sorted((kind.lower(), " ".join(value.casefold().split())) for kind, value, _ in relative)
        for relative in ldap.dn.str2dn(dn, ldap.DN_FORMAT_LDAPV3)
    ]
