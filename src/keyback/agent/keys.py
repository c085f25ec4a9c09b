"""The agent's private keys. They are made here and never leave this machine.

One Ed25519 key says who the agent is. P-256 keys unseal passwords: a new one each ``life`` seconds, so that what was
recorded on its way can be opened for a day or so and then by nobody. An old key dies when the last request that was
sealed for it must be over. While writeback is off there are none.

The running agent and a command beside it share the files: whoever changes them holds their lock, and everybody reads
them anew when they have changed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
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
    """The keys of one agent in ``folder``; its methods may be called from any thread, and beside another process."""

    def __init__(self, folder: Path, sign: Ed25519PrivateKey, life: timedelta) -> None:
        self._folder = folder
        self._life = life
        self._unseal: list[_Key] = []
        self._problem = ""
        self._seen: tuple[int, ...] | None = None
        self._lock = threading.Lock()
        self.sign = sign

    @classmethod
    def create(cls, folder: Path, life: timedelta, now: datetime) -> KeyStore:
        """New keys in place of any old ones. Raises OSError."""
        sign = Ed25519PrivateKey.generate()
        write_private(folder / _SIGN_FILE, _pem(sign))
        store = cls(folder, sign, life)
        store._save([_make(now, announced=True)])
        return store

    @classmethod
    def load(cls, folder: Path, life: timedelta) -> KeyStore:
        """Raises KeyDamaged where the key is, with which this agent signs, and ConfigurationError for a file that
        others can read. What is wrong with the others is told by `problem`."""
        try:
            sign = load_pem_private_key(read_private(folder / _SIGN_FILE), None)
        except (ValueError, TypeError):
            # The errors themselves could quote the file.
            sign = None
        if not isinstance(sign, Ed25519PrivateKey):
            raise KeyDamaged(f"{folder}: 32010: the agent's own key is damaged; onboard this agent again")
        return cls(folder, sign, life)

    def problem(self) -> str:
        """Why passwords cannot be unsealed at all; "" when they can."""
        with self._lock:
            self._look()
            return self._problem

    def move(self, folder: Path) -> None:
        """Puts these keys in the place of those in ``folder``. Raises OSError."""
        with self._lock:
            for name in (_SIGN_FILE, _UNSEAL_FILE):
                (self._folder / name).replace(folder / name)
            self._folder = folder

    def newest(self) -> UnsealKey:
        """The public half that pages should seal for, as it is told to the portal. Raises IndexError while there is
        none."""
        with self._lock:
            self._look()
            return self._newest()

    def _newest(self) -> UnsealKey:
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
            self._look()
            return next((one.private for one in self._unseal if one.stored.key == key), None)

    def roll(self, now: datetime) -> bool:
        """Makes the next key when the newest is old enough, and drops dead ones. True when one was made."""
        with self._lock, self._exclusive():
            if not self._unseal:
                return False
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

    def renew(self, now: datetime) -> UnsealKey:
        """One more key, whatever became of the others: with it what was damaged is whole again. Raises OSError."""
        with self._lock, self._exclusive():
            told = [one for one in self._unseal if one.stored.announced]
            self._save([*told, _make(now, announced=False)])
            return self._newest()

    def destroy(self) -> None:
        """No password can be unsealed from now on. Raises OSError."""
        with self._lock, self._exclusive():
            self._save([])

    def forget(self) -> None:
        """The agent's own key too: it can say nothing any more. Raises OSError."""
        (self._folder / _SIGN_FILE).unlink(missing_ok=True)

    def unannounced(self) -> UnsealKey | None:
        """The newest key, if the portal has yet to hear of it."""
        with self._lock:
            self._look()
            return None if not self._unseal or self._unseal[-1].stored.announced else self._newest()

    def announced(self, key: str, now: datetime) -> None:
        """The portal knows this key from now on; those before it begin to die."""
        with self._lock, self._exclusive():
            if not self._unseal or self._unseal[-1].stored.key != key:
                return  # another process was faster
            *older, newest = self._unseal
            kept = [
                _Key(one.stored.model_copy(update={"replaced_at": one.stored.replaced_at or now}), one.private)
                for one in older
            ]
            self._save([*kept, _Key(newest.stored.model_copy(update={"announced": True}), newest.private)])

    def ages(self) -> list[tuple[str, datetime]]:
        """Id and birth of every key, oldest first."""
        with self._lock:
            self._look()
            return [(one.stored.key, one.stored.made_at) for one in self._unseal]

    def _save(self, unseal: list[_Key]) -> None:
        # First on disk: a key that pages seal for must survive a crash of this process.
        write_private(self._folder / _UNSEAL_FILE, _STORED.dump_json([one.stored for one in unseal]))
        self._unseal = unseal
        self._problem = ""
        self._seen = _state(self._folder / _UNSEAL_FILE)

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._look()
            yield
        finally:
            os.close(descriptor)

    def _look(self) -> None:
        """Reads the file again when it is another one than was read last."""
        path = self._folder / _UNSEAL_FILE
        state = _state(path)
        if state == self._seen:
            return
        try:
            stored = _STORED.validate_json(read_private(path))
            self._unseal = [_Key(one, _p256(one.pem.encode())) for one in stored]
            self._problem = ""
        except (ValueError, TypeError, ValidationError):
            self._unseal, self._problem = [], f"{path}: damaged; 'keyback agent writeback on' makes new keys"
        except ConfigurationError as error:
            self._unseal, self._problem = [], str(error)
        self._seen = state


def _state(path: Path) -> tuple[int, ...]:
    """Differs when the file was replaced, written or given to others."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


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
