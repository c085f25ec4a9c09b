"""Who signed this: Ed25519 (RFC 8032) over bytes that begin with what they are for.

Each purpose has its own prefix, so that a signature made for one kind of message never fits another.
"""

from __future__ import annotations

import hashlib
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from keyback.protocol.encoding import b64decode, b64encode
from keyback.protocol.errors import Forged, Malformed

__all__ = [
    "fingerprint",
    "load_public_key",
    "public_bytes",
    "sign_agent_call",
    "sign_banned_terms",
    "sign_confirmation",
    "sign_envelope",
    "sign_onboarding",
    "sign_unsealing_key",
    "verify_agent_call",
    "verify_banned_terms",
    "verify_confirmation",
    "verify_envelope",
    "verify_onboarding",
    "verify_unsealing_key",
]

_ENVELOPE = b"keyback writeback request 1\n"
_AGENT_CALL = b"keyback agent call 1\n"
_ONBOARDING = b"keyback onboarding 1\n"
_CONFIRMATION = b"keyback confirmed agent 1\n"
_UNSEALING_KEY = b"keyback unsealing key 1\n"
_BANNED_TERMS = b"keyback banned terms 1\n"


def public_bytes(key: Ed25519PrivateKey | Ed25519PublicKey) -> bytes:
    """The 32 raw bytes of the public half."""
    public = key.public_key() if isinstance(key, Ed25519PrivateKey) else key
    return public.public_bytes_raw()


def load_public_key(raw: bytes) -> Ed25519PublicKey:
    try:
        return Ed25519PublicKey.from_public_bytes(raw)
    except ValueError as error:
        raise Malformed("not an Ed25519 public key") from error


def fingerprint(agent_public: bytes, portal_public: bytes) -> str:
    """What an administrator compares by eye: the first 16 bytes of SHA-256 as eight groups of four hex digits.

    Over both keys, so that it also shows when somebody between gave the agent another portal's key to pin.
    """
    digest = hashlib.sha256(agent_public + portal_public).hexdigest()[:32]
    return " ".join(digest[i : i + 4] for i in range(0, 32, 4))


def sign_envelope(key: Ed25519PrivateKey, envelope: bytes) -> bytes:
    return key.sign(_ENVELOPE + envelope)


def verify_envelope(key: Ed25519PublicKey, envelope: bytes, signature: bytes) -> None:
    """Raises Forged when the people's door did not sign exactly these bytes."""
    _verify(key, _ENVELOPE + envelope, signature)


def _agent_call(agent_id: UUID, path: str, body: bytes) -> bytes:
    return _AGENT_CALL + f"{agent_id}\n{path}\n".encode() + hashlib.sha256(body).digest()


def sign_agent_call(key: Ed25519PrivateKey, agent_id: UUID, path: str, body: bytes) -> str:
    """The value of the ``Keyback-Signature`` header that goes with every call of an onboarded agent."""
    return b64encode(key.sign(_agent_call(agent_id, path, body)))


def verify_agent_call(key: Ed25519PublicKey, agent_id: UUID, path: str, body: bytes, header: str) -> None:
    """Raises Forged (wrong signature) or Malformed (not base64url)."""
    _verify(key, _agent_call(agent_id, path, body), b64decode(header))


def sign_onboarding(key: Ed25519PrivateKey, body: bytes) -> str:
    """Proof that whoever onboards holds the private half of the key in the body."""
    return b64encode(key.sign(_ONBOARDING + body))


def verify_onboarding(key: Ed25519PublicKey, body: bytes, header: str) -> None:
    _verify(key, _ONBOARDING + body, b64decode(header))


def sign_confirmation(key: Ed25519PrivateKey, organization_id: UUID, agent_id: UUID, agent_public: bytes) -> bytes:
    """The people's door vouches that an administrator compared this agent's key. Pages seal for nobody without it, so
    that a row written into the database makes no agent."""
    return key.sign(_confirmation(organization_id, agent_id, agent_public))


def verify_confirmation(
    key: Ed25519PublicKey, organization_id: UUID, agent_id: UUID, agent_public: bytes, signature: bytes
) -> None:
    _verify(key, _confirmation(organization_id, agent_id, agent_public), signature)


def _confirmation(organization_id: UUID, agent_id: UUID, agent_public: bytes) -> bytes:
    return _CONFIRMATION + organization_id.bytes + agent_id.bytes + agent_public


def sign_unsealing_key(key: Ed25519PrivateKey, key_id: str, point: bytes) -> bytes:
    """An agent vouches for its own unsealing key: pages seal for no other."""
    return key.sign(_UNSEALING_KEY + key_id.encode() + b"\n" + point)


def verify_unsealing_key(key: Ed25519PublicKey, key_id: str, point: bytes, signature: bytes) -> None:
    _verify(key, _UNSEALING_KEY + key_id.encode() + b"\n" + point, signature)


def sign_banned_terms(key: Ed25519PrivateKey, content: bytes) -> bytes:
    """The people's door vouches for an organization's list of banned words."""
    return key.sign(_BANNED_TERMS + content)


def verify_banned_terms(key: Ed25519PublicKey, content: bytes, signature: bytes) -> None:
    _verify(key, _BANNED_TERMS + content, signature)


def _verify(key: Ed25519PublicKey, message: bytes, signature: bytes) -> None:
    try:
        key.verify(signature, message)
    except InvalidSignature as error:
        raise Forged("the signature does not match") from error
