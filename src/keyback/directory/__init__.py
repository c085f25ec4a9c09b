"""Active Directory over LDAP: reading accounts, deciding who may be written, writing passwords.

Blocking, and meant for threads: each `Connection` serves one thread at a time, a `Pool` hands them out. It knows
nothing of the portal. Errors are those of `keyback.directory.errors`.
"""

from __future__ import annotations

from keyback.directory.accounts import Account, Lockout, ReadBack, Versions, find_account, read_account, read_back
from keyback.directory.connection import Connection, DirectoryServer, RootDse, connect
from keyback.directory.people import PEOPLE, Anchor, DirectoryPerson, Domain, people, read_domain
from keyback.directory.permissions import Right, missing_rights
from keyback.directory.policies import Policies, minimum_age_ends
from keyback.directory.pool import Pool
from keyback.directory.protection import Guard, Reason, Refusal
from keyback.directory.signin import verify_password
from keyback.directory.writes import (
    BindAnswer,
    Verdict,
    change_password,
    expire,
    reset_password,
    unlock,
    verify_bind,
)

__all__ = [
    "PEOPLE",
    "Account",
    "Anchor",
    "BindAnswer",
    "Connection",
    "DirectoryPerson",
    "DirectoryServer",
    "Domain",
    "Guard",
    "Lockout",
    "Policies",
    "Pool",
    "ReadBack",
    "Reason",
    "Refusal",
    "Right",
    "RootDse",
    "Verdict",
    "Versions",
    "change_password",
    "connect",
    "expire",
    "find_account",
    "minimum_age_ends",
    "missing_rights",
    "people",
    "read_account",
    "read_back",
    "read_domain",
    "reset_password",
    "unlock",
    "verify_bind",
    "verify_password",
]
