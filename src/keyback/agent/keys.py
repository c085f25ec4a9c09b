"""The agent's private keys. They are made here and never leave this machine.

One Ed25519 key says who the agent is. P-256 keys unseal passwords: a new one each ``life`` seconds, so that what was
recorded on its way can be opened for a day or so and then by nobody. An old key dies when the last request that was
sealed for it must be over.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from keyback.agent.files import read_private, write_private
from keyback.errors import ConfigurationError
from keyback.protocol.encoding import b64encode
from keyback.protocol.limits import CLAIM_LEASE, QUEUE_LIFE, WRITE_LEASE
from keyback.protocol.messages import UnsealKey
from keyback.protocol.sealing import unseal_key_bytes
from keyback.protocol.signing import sign_unsealing_key

__all__ = ["LONGEST_REQUEST", "KeyDamaged", "KeyStore"]

RECOVERY_LIFE = 15 * 60
"""A recovery that began before the new key was known may seal for the old one this long."""

RESOLVING = 6 * 60
"""And its box is needed as long as somebody may still have to find out whether it was written."""

LONGEST_REQUEST = timedelta(seconds=RECOVERY_LIFE + QUEUE_LIFE + CLAIM_LEASE + WRITE_LEASE + RESOLVING)

_SIGN_FILE = "sign.pem"
_UNSEAL_FILE = "unseal.json"


class KeyDamaged(ConfigurationError):
    """A private key is missing or cannot be read (event 32010)."""

    code = "key_damaged"


class _Stored(BaseModel):
    """``replaced_at``: when the portal learnt of this key's successor."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    key: str
    pem: str = Field(repr=False)
    made_at: datetime
    announced: bool
    replaced_at: datetime | None = None


_STORED = TypeAdapter(list[_Stored])


@dataclass(frozen=True, slots=True)
class _Key:
    stored: _Stored
    private: ec.EllipticCurvePrivateKey = field(repr=False)


class KeyStore:
    """The keys of one agent in ``folder``; its methods may be called from any thread."""

    def __init__(self, folder: Path, sign: Ed25519PrivateKey, unseal: list[_Key], life: timedelta) -> None:
        self._folder = folder
        self._life = life
        self._unseal = unseal
        self._lock = threading.Lock()
        self.sign = sign

    @classmethod
    def create(cls, folder: Path, life: timedelta, now: datetime) -> KeyStore:
        """New keys in place of any old ones. Raises OSError."""
        sign = Ed25519PrivateKey.generate()
        write_private(folder / _SIGN_FILE, _pem(sign))
        store = cls(folder, sign, [], life)
        store._save([_make(now, announced=True)])
        return store

    @classmethod
    def load(cls, folder: Path, life: timedelta) -> KeyStore:
        """Raises KeyDamaged, and ConfigurationError for a file that others can read."""
        try:
            sign = load_pem_private_key(read_private(folder / _SIGN_FILE), None)
            stored = _STORED.validate_json(read_private(folder / _UNSEAL_FILE))
            unseal = [_Key(one, _p256(one.pem.encode())) for one in stored]
        except (ValueError, TypeError, ValidationError):
            # The errors themselves could quote the file.
            raise KeyDamaged(f"{folder}: 32010: a key is damaged; onboard this agent again") from None
        if not isinstance(sign, Ed25519PrivateKey) or not unseal:
            raise KeyDamaged(f"{folder}: 32010: a key is missing; onboard this agent again")
        return cls(folder, sign, unseal, life)

    def move(self, folder: Path) -> None:
        """Puts these keys in the place of those in ``folder``. Raises OSError."""
        with self._lock:
            for name in (_SIGN_FILE, _UNSEAL_FILE):
                (self._folder / name).replace(folder / name)
            self._folder = folder

    def newest(self) -> UnsealKey:
        """The public half that pages should seal for, as it is told to the portal."""
        with self._lock:
            newest = self._unseal[-1]
        point = unseal_key_bytes(newest.private.public_key())
        return UnsealKey(
            key=newest.stored.key,
            public=b64encode(point),
            signature=b64encode(sign_unsealing_key(self.sign, newest.stored.key, point)),
            # Twice its life, so that a portal that cannot be told of the next one for a while goes on.
            life_s=int(2 * self._life.total_seconds()),
        )

    def private(self, key: str) -> ec.EllipticCurvePrivateKey | None:
        """The private half with this id, while it lives."""
        with self._lock:
            return next((one.private for one in self._unseal if one.stored.key == key), None)

    def roll(self, now: datetime) -> bool:
        """Makes the next key when the newest is old enough, and drops dead ones. True when one was made."""
        with self._lock:
            alive = [
                one
                for one in self._unseal
                if one.stored.replaced_at is None or one.stored.replaced_at + LONGEST_REQUEST > now
            ]
            newest = alive[-1].stored
            due = newest.announced and newest.made_at + self._life <= now
            if due:
                alive.append(_make(now, announced=False))
            if due or len(alive) < len(self._unseal):
                self._save(alive)
            return due

    def unannounced(self) -> bool:
        """Whether the portal has yet to hear of the newest key."""
        with self._lock:
            return not self._unseal[-1].stored.announced

    def announced(self, now: datetime) -> None:
        """The portal knows the newest key from now on; the others begin to die."""
        with self._lock:
            *older, newest = self._unseal
            kept = [
                _Key(one.stored.model_copy(update={"replaced_at": one.stored.replaced_at or now}), one.private)
                for one in older
            ]
            self._save([*kept, _Key(newest.stored.model_copy(update={"announced": True}), newest.private)])

    def ages(self) -> list[tuple[str, datetime]]:
        """Id and birth of every key, oldest first."""
        with self._lock:
            return [(one.stored.key, one.stored.made_at) for one in self._unseal]

    def _save(self, unseal: list[_Key]) -> None:
        # First on disk: a key that pages seal for must survive a crash of this process.
        write_private(self._folder / _UNSEAL_FILE, _STORED.dump_json([one.stored for one in unseal]))
        self._unseal = unseal


def _make(now: datetime, *, announced: bool) -> _Key:
    private = ec.generate_private_key(ec.SECP256R1())
    name = hashlib.sha256(unseal_key_bytes(private.public_key())).hexdigest()[:16]
    return _Key(_Stored(key=name, pem=_pem(private).decode(), made_at=now, announced=announced), private)


def _p256(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("not a P-256 key")
    return key


def _pem(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
