"""Which of the rights that a write needs the service account lacks on an account, known before anything is sent.

Sources: MS-SAMR 3.1.1.8.7 (Unexpire Password), MS-ADA for the attributes, the rights' GUIDs from AD Schema.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from uuid import UUID

from keyback.directory.accounts import Account, read_dacl
from keyback.directory.connection import Connection
from keyback.directory.descriptors import CONTROL_ACCESS, WRITE_PROPERTY

__all__ = ["Right", "missing_rights"]


class Right(StrEnum):
    """A right that the service account needs; the value is what administrators' tools call it."""

    RESET_PASSWORD = "Reset Password"  # noqa: S105 — the name of a right
    WRITE_LOCKOUT_TIME = "Write lockoutTime"
    WRITE_PWD_LAST_SET = "Write pwdLastSet"  # noqa: S105 — the name of a right
    UNEXPIRE_PASSWORD = "Unexpire Password"  # noqa: S105 — the name of a right; granted on the domain


_ON_ACCOUNT: dict[Right, tuple[int, tuple[UUID, ...]]] = {
    Right.RESET_PASSWORD: (CONTROL_ACCESS, (UUID("00299570-246d-11d0-a768-00aa006e0529"),)),
    Right.WRITE_LOCKOUT_TIME: (WRITE_PROPERTY, (UUID("28630ebf-41d5-11d1-a9c1-0000f80367c1"),)),
    Right.WRITE_PWD_LAST_SET: (
        WRITE_PROPERTY,
        (
            UUID("bf967a0a-0de6-11d0-a285-00aa003049e2"),
            UUID("4c164200-20c0-11d0-a768-00aa006e0529"),  # the property set Account Restrictions
        ),
    ),
}
_UNEXPIRE: tuple[UUID, ...] = (UUID("ccc2dc7d-a6ad-4a7a-8846-c04e3cc53501"),)


def missing_rights(connection: Connection, account: Account, wanted: Iterable[Right]) -> tuple[Right, ...]:
    """Those of ``wanted`` that the account signed in on ``connection`` lacks, in their order.

    All are taken to be held where a security descriptor cannot be read: the directory has the last word.
    """
    token = frozenset(connection.root.own_sids)
    missing = []
    for right in wanted:
        if right is Right.UNEXPIRE_PASSWORD:
            dacl = read_dacl(connection, connection.root.default_naming_context)
            own, mask, subjects = "", CONTROL_ACCESS, _UNEXPIRE
        else:
            dacl, own = account.dacl, account.sid
            mask, subjects = _ON_ACCOUNT[right]
        if dacl is not None and not dacl.grants(token, own, mask, *subjects):
            missing.append(right)
    return tuple(missing)
