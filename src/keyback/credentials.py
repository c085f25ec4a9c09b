"""Secrets that the service manager hands over, and what root leaves behind: what portal and agent need alike when they
run as services of the machine.

systemd's ``LoadCredential=secret:DIRECTORY`` shows each file of a directory that only root can read to one service,
as ``secret_NAME`` in a directory of its own. So the configuration names the file, a command of root's reads it there,
and the service gets it without being able to read the directory.
"""

from __future__ import annotations

import atexit
import os
import stat
from contextlib import suppress
from pathlib import Path

__all__ = ["give_back", "secret_file"]


def secret_file(path: Path) -> Path:
    """Where the service manager shows this secret to this process; else the path itself."""
    shown = Path(os.environ.get("CREDENTIALS_DIRECTORY", "/nonexistent")) / f"secret_{path.name}"
    return shown if os.path.isfile(shown) else path  # False too where the directory is another service's


def give_back(directory: Path) -> None:
    """When this process ends, what it made in ``directory`` as root belongs to whoever owns the directory: a service
    could not open it otherwise."""
    if os.geteuid() == 0 and directory.is_dir() and directory.stat().st_uid != 0:
        atexit.register(_give_back, directory)


def _give_back(directory: Path) -> None:
    owner = directory.stat()
    # By descriptors, and no file of two names: whoever owns the directory could otherwise make root give away another.
    for _folder, names, files, descriptor in os.fwalk(directory):
        for name in (*names, *files):
            with suppress(OSError):  # gone meanwhile
                found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                if found.st_uid == 0 and (stat.S_ISDIR(found.st_mode) or found.st_nlink == 1):
                    os.chown(name, owner.st_uid, owner.st_gid, dir_fd=descriptor, follow_symlinks=False)
