"""Small files that must be private, and either old or new after a crash, never half."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from keyback.credentials import secret_file
from keyback.errors import ConfigurationError

__all__ = ["make_private_directory", "read_private", "write_private"]


def make_private_directory(path: Path) -> None:
    """The directory, made if need be, for its owner alone. Raises ConfigurationError."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be made or made private: {error.strerror}") from None


def read_private(path: Path) -> bytes:
    """What a secret's file holds, or what the service manager hands over in its place. Raises ConfigurationError when
    others can read it, or when it cannot be read."""
    try:
        if (shown := secret_file(path)) != path:
            return shown.read_bytes()  # who may read it is the service manager's business
        with path.open("rb") as file:
            # The open file is judged, not the name: that could be swapped in between.
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise ConfigurationError(f"{path}: others can read this secret; run: chmod 600 {path}")
            return file.read()
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from None


def write_private(path: Path, data: bytes) -> None:
    """Replaces the file for its owner alone; on disk when this returns. Raises OSError."""
    fresh = path.with_name(f".{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)  # the new name too
    finally:
        os.close(folder)
