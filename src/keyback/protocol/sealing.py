"""Sealed boxes: a password travels from the browser to one agent, and nobody between can open it.

HPKE (RFC 9180) base mode, DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. A box is ``enc || ciphertext``.
``info`` binds everything that the box is for (:func:`box_info`), so that a box moved to another request, person,
operation or agent does not open. Base mode authenticates nobody: that is the signed envelope's work.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from keyback.protocol.encoding import canonical_json
from keyback.protocol.errors import Malformed, Unopenable
from keyback.protocol.limits import MAX_PASSWORD_UTF16, PLAINTEXT_BYTES
from keyback.protocol.messages import Envelope

__all__ = ["BOX_BYTES", "Sealed", "box_info", "load_unseal_key", "open_box", "seal", "unseal_key_bytes"]

_PURPOSE = b"keyback sealed passwords 1\n"
_SUITE = Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM)

BOX_BYTES = 65 + PLAINTEXT_BYTES + 16
"""Encapsulated key (uncompressed P-256 point), padded plaintext, GCM tag. Every box is exactly so long."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a box holds. ``current`` is there for a change and for a sign-in. Neither is ever printed."""

    new: str | None = field(default=None, repr=False)
    current: str | None = field(default=None, repr=False)


def unseal_key_bytes(key: ec.EllipticCurvePublicKey) -> bytes:
    """The uncompressed X9.62 point, 65 bytes: what the browser's HPKE takes."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def load_unseal_key(raw: bytes) -> ec.EllipticCurvePublicKey:
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
    except ValueError as error:
        raise Malformed("not a P-256 point") from error


def box_info(envelope: Envelope, agent_id: UUID, key_id: str) -> bytes:
    """The HPKE ``info`` for one agent's box. ``envelope.boxes`` is not part of it: boxes are made before it is.

    A digest, as a page shows it before anybody has proved who they are: the objectGUID in it would tell whether two
    user IDs name one account. Nobody can try GUIDs, which are random.
    """
    bound = canonical_json(
        {
            "agent": str(agent_id),
            "deadline": envelope.deadline,
            "flags": envelope.flags.model_dump(),
            "forest": str(envelope.forest_id),
            "initiator": envelope.initiator,
            "key": key_id,
            "object": str(envelope.object_guid),
            "operation": envelope.operation.value,
            "organization": str(envelope.organization_id),
            "request": str(envelope.request_id),
            "v": envelope.v,
        }
    )
    return _PURPOSE + hashlib.sha256(bound).digest()


def seal(passwords: Sealed, key: ec.EllipticCurvePublicKey, info: bytes) -> bytes:
    """One box. Raises Malformed for a password that could never be written (too long, lone surrogates)."""
    content = {}
    for name in ("new", "current"):
        password = getattr(passwords, name)
        if password is None:
            continue
        if not _storable(password):
            raise Malformed("a password has at most 256 UTF-16 units and no lone surrogates")
        content[name] = password
    return _SUITE.encrypt(canonical_json(content).ljust(PLAINTEXT_BYTES), key, info)


def open_box(box: bytes, key: ec.EllipticCurvePrivateKey, info: bytes) -> Sealed:
    """What was sealed. Raises Unopenable, with one text for every cause."""
    try:
        content = json.loads(_SUITE.decrypt(box, key, info))
    except (InvalidTag, ValueError):
        raise Unopenable("the sealed password could not be opened") from None
    if (
        not isinstance(content, dict)
        or not content
        or not content.keys() <= {"new", "current"}
        or not all(isinstance(value, str) and _storable(value) for value in content.values())
    ):
        raise Unopenable("the sealed password could not be opened")
    return Sealed(**content)


def _storable(password: str) -> bool:
    try:
        return len(password.encode("utf-16-le")) <= 2 * MAX_PASSWORD_UTF16
    except UnicodeEncodeError:
        return False
