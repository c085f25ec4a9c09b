"""Which password policy applies to an account: a fine-grained one, or the domain's own.

Sources: MS-ADTS 3.1.1.4.5.36 (msDS-ResultantPSO), MS-SAMR 3.1.1.6 and MS-ADA for the attributes. Durations are
negative counts of 100 ns.
"""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta

from keyback.directory._values import Entry
from keyback.directory.accounts import Account, Lockout
from keyback.directory.connection import Connection
from keyback.directory.errors import NotFound, PermissionMissing
from keyback.passwords import DirectoryPolicy

__all__ = ["Policies", "minimum_age_ends"]

_COMPLEX = 0x1  # of pwdProperties

_DOMAIN = (
    "minPwdLength",
    "pwdHistoryLength",
    "minPwdAge",
    "maxPwdAge",
    "pwdProperties",
    "lockoutThreshold",
    "lockOutObservationWindow",
)
_FINE_GRAINED = (
    "name",
    "msDS-MinimumPasswordLength",
    "msDS-PasswordHistoryLength",
    "msDS-MinimumPasswordAge",
    "msDS-MaximumPasswordAge",
    "msDS-PasswordComplexityEnabled",
    "msDS-LockoutThreshold",
    "msDS-LockoutObservationWindow",
)


class Policies:
    """Reads policies and remembers each for ``ttl`` seconds, since one applies to many people. Safe in threads."""

    def __init__(self, ttl: float = 5.0) -> None:
        self._ttl = ttl
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, tuple[DirectoryPolicy, Lockout]]] = {}

    def domain(self, connection: Connection) -> DirectoryPolicy:
        """The domain's own policy, read now. Raises PermissionMissing where it is not readable."""
        return _domain(connection, connection.root.default_naming_context)[0]

    def effective(self, connection: Connection, account: Account) -> DirectoryPolicy:
        """The policy of ``account``. Raises PermissionMissing where a fine-grained one applies but is not readable."""
        return self._read(connection, account)[0]

    def lockout(self, connection: Connection, account: Account) -> Lockout:
        """When ``account`` is locked out, by the policy that `effective` tells."""
        return self._read(connection, account)[1]

    def _read(self, connection: Connection, account: Account) -> tuple[DirectoryPolicy, Lockout]:
        dn = account.resultant_pso or connection.root.default_naming_context
        with self._lock:
            read_at, found = self._known.get(dn, (0.0, None))
        if found is None or time.monotonic() - read_at > self._ttl:
            found = _fine_grained(connection, dn) if account.resultant_pso else _domain(connection, dn)
            with self._lock:
                self._known[dn] = (time.monotonic(), found)
        return found


def minimum_age_ends(account: Account, policy: DirectoryPolicy) -> datetime | None:
    """From when the minimum age allows another password, on the directory's clock; None if it forbids nothing.

    The moment may have passed already: compare it with `Connection.server_time`.
    """
    if account.pwd_last_set is None or not policy.min_age:
        return None
    return account.pwd_last_set + policy.min_age


def _domain(connection: Connection, dn: str) -> tuple[DirectoryPolicy, Lockout]:
    entry = _read(connection, dn, _DOMAIN, "minPwdLength")
    policy = DirectoryPolicy(
        min_length=entry.number("minPwdLength"),
        history=entry.number("pwdHistoryLength"),
        min_age=_age(entry.number("minPwdAge")) or timedelta(0),
        max_age=_age(entry.number("maxPwdAge")),
        complexity=bool(entry.number("pwdProperties") & _COMPLEX),
        lockout_threshold=entry.number("lockoutThreshold"),
    )
    return policy, Lockout(policy.lockout_threshold, _age(entry.number("lockOutObservationWindow")))


def _fine_grained(connection: Connection, dn: str) -> tuple[DirectoryPolicy, Lockout]:
    entry = _read(connection, dn, _FINE_GRAINED, "msDS-MinimumPasswordLength")
    policy = DirectoryPolicy(
        min_length=entry.number("msDS-MinimumPasswordLength"),
        history=entry.number("msDS-PasswordHistoryLength"),
        min_age=_age(entry.number("msDS-MinimumPasswordAge")) or timedelta(0),
        max_age=_age(entry.number("msDS-MaximumPasswordAge")),
        complexity=entry.text("msDS-PasswordComplexityEnabled").upper() == "TRUE",
        lockout_threshold=entry.number("msDS-LockoutThreshold"),
        name=entry.text("name"),
    )
    return policy, Lockout(policy.lockout_threshold, _age(entry.number("msDS-LockoutObservationWindow")))


def _read(connection: Connection, dn: str, attributes: tuple[str, ...], always_there: str) -> Entry:
    try:
        found = connection.search(dn, attributes)
    except NotFound:  # the directory hides what may not be read
        found = []
    if not found or not found[0].raw(always_there):
        # A policy taken for all zeros would promise passwords that the directory then refuses.
        raise PermissionMissing(f"the service account cannot read the password policy {dn}", right=f"Read {dn}")
    return found[0]


def _age(value: int) -> timedelta | None:
    """None for 0 and for 0x8000000000000000, which both mean that it does not apply."""
    return None if value in (0, -(2**63)) else timedelta(microseconds=-value // 10)
