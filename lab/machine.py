"""A throw-away Debian machine with a systemd of its own, on this machine's network: what a package meets in life.

It is a set of namespaces on a copy-on-write view of a cached root. Killing its first process ends every other one, and
leaving the block leaves nothing.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab._namespace import kill, parent_of, processes, started
from lab._root import ensure_machine_root, require_root_user
from lab.errors import MachineError

__all__ = ["Machine", "machine"]

_PACKAGES = ("systemd", "systemd-sysv", "dbus", "adduser", "init-system-helpers", "procps", "ca-certificates", "apt")

# $1 the directory for this machine, $2 the root below it. No device of the host's is shown but the harmless ones.
_BOOT = r"""
set -e
mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
for place in run tmp; do mount -t tmpfs -o mode=1777 tmpfs $place; done
chmod 0755 run
mount -t tmpfs -o mode=0755 tmpfs dev
mkdir dev/pts dev/shm
for name in null zero full random urandom tty; do touch dev/$name; mount --bind /dev/$name dev/$name; done
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs tmpfs dev/shm
if grep -q "^nodev.cgroup$" /proc/filesystems && grep -q " cgroup " /proc/mounts; then
    mount -t tmpfs -o mode=0755 tmpfs sys/fs/cgroup
    mkdir sys/fs/cgroup/systemd sys/fs/cgroup/unified
    mount -t cgroup -o none,name=systemd,xattr cgroup sys/fs/cgroup/systemd
    mount -t cgroup2 cgroup2 sys/fs/cgroup/unified
else
    mount -t cgroup2 cgroup2 sys/fs/cgroup
fi
mount --make-rshared .  # as a container's manager has to: systemd hands credentials over through a mount
exec env -i container=keyback PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . /lib/systemd/systemd --system \
    --log-target=null --show-status=0 systemd.unit=multi-user.target
"""

_ENVIRONMENT = ("HOME=/root", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive")


class Machine:
    """``pid``: its first process, as seen from here; another one after a reboot. ``mounted``: where its file system is
    for :meth:`beside`."""

    def __init__(self, directory: Path, below: Path) -> None:
        for part in ("upper", "work", "root"):
            (directory / part).mkdir()
        self.mounted = directory / "root"
        self._command = ["/bin/sh", "-ec", _BOOT, "machine", str(directory), str(below)]

    def boot(self) -> None:
        namespaces = ["--mount", "--pid", "--uts", "--ipc", "--cgroup", "--fork", "--kill-child=SIGKILL"]
        self._keeper = subprocess.Popen(
            ["unshare", *namespaces, "--", *self._command], stdin=subprocess.DEVNULL, start_new_session=True
        )
        try:
            self.pid = _first(self._keeper)
            _booted(self, self._keeper)
        except BaseException:
            self.power_off()
            raise

    def reboot(self) -> None:
        """As an administrator does it: everything is stopped in order, and what is on its disk stays."""
        self.run("systemctl", "reboot", check=False)  # it may itself be ended by what it asks for
        try:
            self._keeper.wait(90)  # the end of its first process ends the namespaces
        except subprocess.TimeoutExpired:
            raise MachineError("the machine did not go down in 90 s") from None
        self.boot()

    def power_off(self) -> None:
        """At once, as a power cut does it."""
        kill(*(started(pid) for pid in processes() if parent_of(pid) == self._keeper.pid), started(self._keeper.pid))
        self._keeper.wait()

    @property
    def root(self) -> Path:
        """Its file system, as root sees it from here while it runs."""
        return Path(f"/proc/{self.pid}/root")

    def run(self, *command: str, input: str = "", check: bool = True) -> str:
        """What a command of root's printed, both ways together. Raises MachineError when it failed."""
        done = subprocess.run(
            [
                "nsenter",
                f"--target={self.pid}",
                "--mount",
                "--pid",
                "--uts",
                "--ipc",
                "--cgroup",
                "--root",
                "env",
                "--chdir=/",
                "-i",
                *_ENVIRONMENT,
                *command,
            ],
            input=input,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode and check:
            raise MachineError(f"{' '.join(command[:4])} … failed ({done.returncode}): {done.stdout[-2000:]}")
        return done.stdout

    def beside(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """A program of the outer machine that sees this one's files, in ``mounted``. (SQLite, for one, resolves the
        links of a path and would end up elsewhere with :attr:`root`.)"""
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("KEYBACK_", "DJANGO_"))
        }
        return subprocess.run(
            ["nsenter", f"--target={self.pid}", "--mount", *command],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def active(self, unit: str) -> bool:
        return self.run("systemctl", "is-active", unit, check=False).strip() == "active"


@contextmanager
def machine() -> Iterator[Machine]:
    """A freshly booted machine of this machine's own release."""
    require_root_user()
    below = ensure_machine_root(_PACKAGES)
    with tempfile.TemporaryDirectory(prefix="keyback-machine-") as directory:
        fresh = Machine(Path(directory), below)
        fresh.boot()
        try:
            yield fresh
        finally:
            fresh.power_off()


def _first(keeper: subprocess.Popen[bytes]) -> int:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and keeper.poll() is None:
        for pid in processes():
            if parent_of(pid) == keeper.pid:
                return pid
        time.sleep(0.02)
    raise MachineError("the machine's first process did not start")


def _booted(booting: Machine, keeper: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and keeper.poll() is None:
        # "degraded" too: some of a minimal system's own units may not like to be without hardware.
        if booting.run("systemctl", "is-system-running", check=False).strip() in ("running", "degraded"):
            return
        time.sleep(0.2)
    raise MachineError("the machine did not come up within a minute")
