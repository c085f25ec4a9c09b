"""Active Directory over LDAP: reading accounts, deciding who may be written, writing passwords.

Blocking, and meant for threads: each `Connection` serves one thread at a time, a `Pool` hands them out. It knows
nothing of the portal. Errors are those of `keyback.directory.errors`.
"""

from __future__ import annotations

from keyback.directory import _channel  # noqa: F401 — before the first import of ldap
from keyback.directory._discovery import Controllers, find_controllers
from keyback.directory._tls import tls_problem
from keyback.directory.accounts import Account, Lockout, ReadBack, Versions, find_account, read_account, read_back
from keyback.directory.connection import Connection, DirectoryServer, RootDse, connect
from keyback.directory.dirsync import Changes, changes, changes_by_usn, has_containers, mark, sees_deletions, usn
from keyback.directory.groups import GROUPS, DirectoryGroup, groups, groups_by_guid
from keyback.directory.people import (
    PEOPLE,
    Anchor,
    Contacts,
    DirectoryPerson,
    Domain,
    Shape,
    in_scope,
    is_name,
    people,
    people_by_guid,
    people_called,
    read_domain,
)
from keyback.directory.permissions import Right, missing_rights
from keyback.directory.policies import Policies, minimum_age_ends
from keyback.directory.pool import Pool
from keyback.directory.protection import Guard, Reason, Refusal, is_below
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
    "GROUPS",
    "PEOPLE",
    "Account",
    "Anchor",
    "BindAnswer",
    "Changes",
    "Connection",
    "Contacts",
    "Controllers",
    "DirectoryGroup",
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
    "Shape",
    "Verdict",
    "Versions",
    "change_password",
    "changes",
    "changes_by_usn",
    "connect",
    "expire",
    "find_account",
    "find_controllers",
    "groups",
    "groups_by_guid",
    "has_containers",
    "in_scope",
    "is_below",
    "is_name",
    "mark",
    "minimum_age_ends",
    "missing_rights",
    "people",
    "people_by_guid",
    "people_called",
    "read_account",
    "read_back",
    "read_domain",
    "reset_password",
    "sees_deletions",
    "tls_problem",
    "unlock",
    "usn",
    "verify_bind",
    "verify_password",
]
