"""Run commands inside a root, in mount and process namespaces of their own.

All mounts live in the private mount namespace and vanish with its last process; the controller's first process is
number 1 of its process namespace, so killing that one kills every process of the controller at the same instant.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import ControllerError, MachineError

# $1 root, $2 forest directory or "", then the command. /tmp and /run must not be shared between forests.
_ENTER = r"""
set -e
root=$1; forest=$2; shift 2
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=0755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
if [ -n "$forest" ]; then
    mount --bind "$forest" "$root/forest"
    mount --bind "$forest/etc/hosts" "$root/etc/hosts"
    mount --bind "$forest/etc/krb5.conf" "$root/etc/krb5.conf"
fi
exec chroot "$root" "$@"
"""

_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "HOME": "/root",
    "DEBIAN_FRONTEND": "noninteractive",
}


@dataclass(frozen=True, slots=True)
class Started:
    """A process that was started, named so that a recycled number is never mistaken for it."""

    pid: int
    born: int  # clock ticks since boot, field 22 of /proc/PID/stat

    def alive(self) -> bool:
        return _born(self.pid) == self.born


def run_inside(
    root: Path,
    command: Sequence[str],
    *,
    forest: Path | None = None,
    environment: Mapping[str, str] | None = None,
    stdin: str = "",
) -> str:
    """Run ``command`` in ``root`` to its end and return what it printed; :class:`ControllerError` if it failed."""
    done = subprocess.run(
        [*_unshare(root, forest), *command],
        input=stdin,
        capture_output=True,
        text=True,
        env=_ENVIRONMENT | dict(environment or {}),
        check=False,
    )
    return _output(done, command)


def start_inside(root: Path, command: Sequence[str], *, forest: Path, log: Path) -> tuple[Started, Started]:
    """Start ``command`` as process 1 of a new namespace; return (the keeper outside, process 1 as seen from here).

    The keeper is ``unshare`` itself; if it dies, the kernel kills process 1 and with it the namespace.
    """
    with log.open("ab") as output:
        keeper = subprocess.Popen(
            [*_unshare(root, forest), *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=_ENVIRONMENT | {"KRB5_CONFIG": "/etc/krb5.conf"},
            start_new_session=True,
        )
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if keeper.poll() is not None:
            raise ControllerError(f"the controller ended at once, see {log}")
        children = [pid for pid in processes() if parent_of(pid) == keeper.pid]
        if children:
            return started(keeper.pid), started(children[0])
        time.sleep(0.01)
    raise ControllerError("unshare started no process")


def kill(*started: Started) -> None:
    """SIGKILL the given processes and wait until they are gone."""
    for process in started:
        if process.alive():
            _signal(process.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while any(process.alive() for process in started):
        if time.monotonic() > deadline:
            raise MachineError(f"processes {[p.pid for p in started]} outlive SIGKILL")
        _reap(*started)
        time.sleep(0.01)


def freeze(first: Started) -> None:
    """SIGSTOP every process of the namespace of ``first``; connections stay open and nothing answers."""
    stopped: set[int] = set()
    while todo := set(members(first)) - stopped:  # again, since a process may have forked meanwhile
        for pid in todo:
            _signal(pid, signal.SIGSTOP)
        stopped |= todo


def thaw(first: Started) -> None:
    """SIGCONT what :func:`freeze` stopped."""
    for pid in members(first):
        _signal(pid, signal.SIGCONT)


def members(first: Started) -> list[int]:
    """The processes that live in the process namespace of ``first``, by their numbers outside."""
    if not first.alive():
        return []
    namespace = _namespace(first.pid)
    return [pid for pid in processes() if _namespace(pid) == namespace]


def processes() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def _unshare(root: Path, forest: Path | None) -> list[str]:
    namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child=SIGKILL"]
    return [*namespaces, "--", "/bin/sh", "-c", _ENTER, "lab", str(root), str(forest or "")]


def _output(done: subprocess.CompletedProcess[str], command: Sequence[str]) -> str:
    if done.returncode:
        # Of the command only the name: its arguments may hold a password.
        tail = " | ".join((done.stderr or done.stdout).strip().splitlines()[-4:])
        raise ControllerError(f"{' '.join(command[:3])} … failed ({done.returncode}): {tail}")
    return done.stdout + done.stderr  # samba-tool speaks on both


def _stat(pid: int) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()  # the name before it may hold spaces and brackets


def _born(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[19]) if fields and fields[0] not in "ZX" else -1


def parent_of(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[1]) if fields else -1


def _namespace(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return ""


def started(pid: int) -> Started:
    return Started(pid, _born(pid))


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _reap(*started: Started) -> None:
    for process in started:
        try:
            os.waitpid(process.pid, os.WNOHANG)
        except ChildProcessError:  # another process of ours started it
            continue
