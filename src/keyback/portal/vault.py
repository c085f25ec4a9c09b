"""Values at rest, encrypted with the newest ``rest`` key and bound to their place.

The plaintext carries organization, row and field: whoever can write the database but not read it cannot move
Ana's address into Ben's row and have Ben's code sent there. That is checked whenever a value is read.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from uuid import UUID

from cryptography.fernet import InvalidToken
from django.conf import settings

from keyback.errors import KeybackError
from keyback.protocol.encoding import canonical_json

__all__ = ["VaultMismatch", "open_nobodys", "open_value", "renew_value", "seal_value", "sealer"]

_NOBODY = UUID(int=0)
_nobodys: dict[tuple[UUID, str, str], str] = {}


class VaultMismatch(KeybackError):
    """This value cannot be opened, or was sealed for another place. One answer for both."""

    code = "vault_mismatch"


def seal_value(organization_id: UUID, row_id: UUID | int | str, field: str, text: str) -> str:
    """A Fernet token (ASCII) that :func:`open_value` opens for the same organization, row and field only."""
    return sealer(organization_id)(row_id, field, text)


def sealer(organization_id: UUID) -> Callable[[UUID | int | str, str, str], str]:
    """:func:`seal_value` for many values of one organization, with the newest key of this moment: whoever seals a
    thousand looks for a newer one once."""
    organization, encrypt = str(organization_id), settings.KEYRING.rest.encrypt

    def seal(row_id: UUID | int | str, field: str, text: str) -> str:
        token: bytes = encrypt(canonical_json([organization, str(row_id), field, text]))
        return token.decode("ascii")

    return seal


def open_value(organization_id: UUID, row_id: UUID | int | str, field: str, token: str) -> str:
    """The text. Raises VaultMismatch."""
    try:
        *place, text = json.loads(settings.KEYRING.rest.decrypt(token.encode("ascii")))
    except (InvalidToken, ValueError):
        raise VaultMismatch(f"the value of {field} cannot be opened") from None
    if place != [str(organization_id), str(row_id), field]:
        raise VaultMismatch(f"the value of {field} was sealed for another place")
    return str(text)


def open_nobodys(organization_id: UUID, field: str, text: str) -> str:
    """Opens a value that belongs to nobody, ``text``, a constant: as long as it takes with somebody's, so that the
    clock does not tell who has one."""
    kept = (organization_id, field, text)
    try:
        return open_value(organization_id, _NOBODY, field, _nobodys[kept])
    except (KeyError, VaultMismatch):  # the first time, and once the key that it was sealed with has been dropped
        _nobodys[kept] = seal_value(organization_id, _NOBODY, field, text)
        return text


def renew_value(token: str) -> str:
    """The same value under the newest key. Raises VaultMismatch."""
    try:
        renewed: bytes = settings.KEYRING.rest.rotate(token.encode("ascii"))
    except (InvalidToken, ValueError):
        raise VaultMismatch("the value cannot be opened") from None
    return renewed.decode("ascii")
