"""Values at rest, encrypted with the newest ``rest`` key and bound to their place.

The plaintext carries organization, row and field: whoever can write the database but not read it cannot move
Ana's address into Ben's row and have Ben's code sent there. That is checked whenever a value is read.
"""

from __future__ import annotations

import json
from uuid import UUID

from cryptography.fernet import InvalidToken
from django.conf import settings

from keyback.errors import KeybackError
from keyback.protocol.encoding import canonical_json

__all__ = ["VaultMismatch", "open_value", "renew_value", "seal_value"]


class VaultMismatch(KeybackError):
    """This value cannot be opened, or was sealed for another place. One answer for both."""

    code = "vault_mismatch"


def seal_value(organization_id: UUID, row_id: UUID | int | str, field: str, text: str) -> str:
    """A Fernet token (ASCII) that :func:`open_value` opens for the same organization, row and field only."""
    plain = canonical_json([str(organization_id), str(row_id), field, text])
    token: bytes = settings.KEYRING.rest.encrypt(plain)
    return token.decode("ascii")


def open_value(organization_id: UUID, row_id: UUID | int | str, field: str, token: str) -> str:
    """The text. Raises VaultMismatch."""
    try:
        *place, text = json.loads(settings.KEYRING.rest.decrypt(token.encode("ascii")))
    except (InvalidToken, ValueError):
        raise VaultMismatch(f"the value of {field} cannot be opened") from None
    if place != [str(organization_id), str(row_id), field]:
        raise VaultMismatch(f"the value of {field} was sealed for another place")
    return str(text)


def renew_value(token: str) -> str:
    """The same value under the newest key. Raises VaultMismatch."""
    try:
        renewed: bytes = settings.KEYRING.rest.rotate(token.encode("ascii"))
    except (InvalidToken, ValueError):
        raise VaultMismatch("the value cannot be opened") from None
    return renewed.decode("ascii")
