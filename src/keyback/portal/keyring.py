"""The portal's keys, kept in files outside the database: whoever reads or writes the database alone can neither read
contact data, nor test codes, nor make a writeback request.

| file           | what for                                                    | who needs it          |
|----------------|-------------------------------------------------------------|-----------------------|
| django.key     | sessions, CSRF, signed cookies                              | people's door only    |
| people.key     | HMAC of the codes that people type, and of opened gates     | people's door only    |
| codes.key      | HMAC of onboarding codes, typed user IDs and limits' keys   | both doors            |
| index.key      | blind indexes of contact data                               | both doors            |
| rest-NNN.key   | contact data and message bodies at rest; highest is newest  | both doors            |
| requests.key   | Ed25519, signs writeback requests and confirmed agents      | people's door only    |
| requests.pub   | its public half, which agents pin                           | both doors            |
| audit.key      | Ed25519, signs the heads of the audit chain                 | worker                |

A worker needs what both doors need, and audit.key.
"""

from __future__ import annotations

import hmac
import os
import secrets
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from keyback.errors import ConfigurationError

__all__ = ["Keyring", "create"]

_RANDOM = ("django.key", "people.key", "codes.key", "index.key")
_SIGNING = ("requests.key", "audit.key")


class Keyring:
    """Reads each key when it is first used, so that a process holds only what it needs."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._rest: tuple[int, MultiFernet] | None = None

    def _read(self, name: str) -> bytes:
        path = self._directory / name
        try:
            if path.stat().st_mode & 0o077:
                raise ConfigurationError(f"{path}: others may read this key; run: chmod 600 {path}")
            return path.read_bytes()
        except OSError as error:
            raise ConfigurationError(f"{path}: {error.strerror}; 'keyback migrate' makes what is missing") from None

    def holds(self, name: str) -> bool:
        """Whether this machine was given the key: each door has only what it needs."""
        return (self._directory / name).exists()

    @cached_property
    def django(self) -> str:
        return self._read("django.key").hex()

    @cached_property
    def _people(self) -> bytes:
        return self._read("people.key")

    @cached_property
    def _codes(self) -> bytes:
        return self._read("codes.key")

    @cached_property
    def _index(self) -> bytes:
        return self._read("index.key")

    @property
    def rest(self) -> MultiFernet:
        """Encrypts with the newest key and opens with any: rotation adds a file, re-encrypts, removes the old one.

        Read anew when the directory has changed, so that a rotation needs no restart of any process."""
        try:
            changed_at = os.stat(self._directory).st_mtime_ns
        except OSError:
            changed_at = 0
        if self._rest is None or self._rest[0] != changed_at:
            names = self.rest_names()
            if not names:
                raise ConfigurationError(f"{self._directory}: no rest-NNN.key; bring it back from the backup")
            self._rest = (changed_at, MultiFernet([Fernet(self._read(name)) for name in names]))
        return self._rest[1]

    def rest_names(self) -> list[str]:
        """File names, newest first."""
        return sorted((path.name for path in self._directory.glob("rest-*.key")), reverse=True)

    def add_rest_key(self) -> str:
        """The name of a new key, which is used from now on."""
        newest = self.rest_names()[0]
        name = f"rest-{int(newest[5:8]) + 1:03d}.key"
        _write(self._directory / name, Fernet.generate_key())
        return name

    def drop_old_rest_keys(self) -> list[str]:
        """Removes all but the newest; what is still under them is lost for good."""
        old = self.rest_names()[1:]
        for name in old:
            (self._directory / name).unlink()
        return old

    @cached_property
    def requests(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self._read("requests.key"))

    @cached_property
    def requests_public(self) -> Ed25519PublicKey:
        return Ed25519PublicKey.from_public_bytes(self._read("requests.pub"))

    @cached_property
    def audit(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self._read("audit.key"))

    def people_hmac(self, purpose: str, *parts: str) -> bytes:
        """32 bytes, which neither the database nor the agents' door can make or try."""
        return _hmac(self._people, purpose, *parts)

    def code_hmac(self, purpose: str, *parts: str) -> bytes:
        """32 bytes. Low-entropy values (codes, typed IDs) are stored only so: without the key they cannot be tried."""
        return _hmac(self._codes, purpose, *parts)

    def blind_index(self, purpose: str, *parts: str) -> bytes:
        """32 bytes by which encrypted data is found again."""
        return _hmac(self._index, purpose, *parts)


def _hmac(key: bytes, *parts: str) -> bytes:
    # Length-prefixed, so that ("ab", "c") and ("a", "bc") differ.
    message = bytearray()
    for part in parts:
        encoded = part.encode()
        message += len(encoded).to_bytes(4, "big") + encoded
    return hmac.digest(key, message, "sha256")


def create(directory: Path) -> None:
    """Makes every key that is not there yet; never overwrites one."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in _RANDOM:
        _write(directory / name, secrets.token_bytes(32))
    for name in _SIGNING:
        _write(directory / name, Ed25519PrivateKey.generate().private_bytes_raw())
    _write(directory / "requests.pub", Keyring(directory).requests.public_key().public_bytes_raw())
    if not any(directory.glob("rest-*.key")):
        _write(directory / "rest-001.key", Fernet.generate_key())


def _write(path: Path, content: bytes) -> None:
    """Never overwrites, and never leaves half a key: another process may read it as soon as it has its name."""
    if path.exists():
        return
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    with suppress(FileExistsError):
        os.link(unfinished, path)
    unfinished.unlink()
