"""A throw-away PostgreSQL cluster on loopback."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.support.ports import free_port
from tests.support.waiting import wait_until

# A cluster that is deleted afterwards need not survive a power cut.
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_wal_size": "256MB"}


def _binary(name: str) -> str:
    """Debian keeps the server's programs off PATH, one directory per major version; the newest is taken."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda p: float(p.parts[-3]))
    found = str(versions[-1]) if versions else shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is not installed; run scripts/install-system test")
    return found


def _unprivileged() -> str | None:
    """The server refuses to run as root; the package's own user, or nobody, does it then."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return "nobody"


@contextmanager
def cluster() -> Iterator[str]:
    """Start a cluster with its own superuser, yield its URL (database `postgres`), stop and delete it."""
    user = _unprivileged()
    password = secrets.token_urlsafe(24)
    with tempfile.TemporaryDirectory(prefix="keyback-postgres-", ignore_cleanup_errors=True) as directory:
        password_file = Path(directory, "password")
        password_file.write_text(password)
        if user is not None:
            for path in (Path(directory), password_file):
                shutil.chown(path, user)
        data = str(Path(directory, "data"))
        subprocess.run(
            [
                *(_binary("initdb"), "-D", data, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"),
                *("-U", "keyback", "--auth=scram-sha-256", f"--pwfile={password_file}"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=directory,
            user=user,
        )
        port = free_port()
        address = {"listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": ""}
        settings = _FAST | address
        with Path(directory, "log").open("wb") as log:
            server = subprocess.Popen(
                [_binary("postgres"), "-D", data, *(f"--{name}={value}" for name, value in settings.items())],
                stdout=log,
                stderr=log,
                cwd=directory,
                user=user,
            )
        url = f"postgresql://keyback:{password}@127.0.0.1:{port}/postgres"
        try:
            wait_until(lambda: _answers(url, server), timeout=30, what="PostgreSQL's start")
            yield url
        finally:
            server.send_signal(signal.SIGINT)  # "fast" shutdown: open sessions are ended
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _answers(url: str, server: "subprocess.Popen[bytes]") -> bool:
    if server.poll() is not None:
        raise RuntimeError(f"PostgreSQL ended with code {server.returncode} while starting")
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
