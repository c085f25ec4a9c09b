"""A second controller of one domain, whose inbound replication can be paused."""

from __future__ import annotations

import uuid
from dataclasses import replace

from lab import _controller, _lifecycle, _namespace
from lab._directory import Directory
from lab._settings import DEFAULT_NAME, lock
from lab.errors import BadNameError
from lab.forest import Controller, Forest, describe
from lab.people import SERVICE_ACCOUNT

_DISABLE_INBOUND = 0x2  # NTDSDSA_OPT_DISABLE_INBOUND_REPL
_SMB_CONF = "--configfile=/forest/etc/smb.conf"


def replica(name: str = DEFAULT_NAME, *, ip: str | None = None, read_only: bool = False) -> Forest:
    """Join ``dc2`` to the forest's domain and start it (some seconds); dc1 is restarted, to replicate.

    ``ip`` is a loopback address, by default the next free one. What is written on one controller arrives at the other
    within 3 to 8 seconds. ``read_only``: dc2 becomes a read-only controller, which holds no password but that of the
    service account.
    """
    with lock(f"forest-{name}"), lock("addresses"):
        forest = describe(name)
        if len(forest.controllers) > 1:
            raise BadNameError(f"forest {name} has its second controller already")
        second = Controller("dc2", _lifecycle.free_address(ip), read_only=read_only)
        _controller.stop(forest.controllers[0])
        forest = forest.having(second)
        _controller.configure(forest, forest.controllers[0])
        forest = _controller.start(forest, forest.controllers[0])
        _controller.configure(forest, second)
        _join(forest, second)
        with forest.administrator() as directory:
            for each in forest.controllers:
                forest = forest.having(replace(each, replication_id=_replication_id(directory, each)))
        for each in forest.controllers:
            _controller.configure(forest, each)
        # Without it replication fails with NT_STATUS_INVALID_PARAMETER: dc1 lacks its E3514235-… principal.
        _namespace.run_inside(forest.root, ["samba_spnupdate", _SMB_CONF], forest=forest.data_of(forest.controllers[0]))
        _controller.write_krb5_conf(forest)
        if read_only:
            _hand_over(forest, second)
        return _controller.start(forest, forest.controller("dc2"))


def replication(name: str = DEFAULT_NAME, *, paused: bool) -> None:
    """Let dc2 take no changes from dc1 any more, or take them again."""
    forest = describe(name)
    second = forest.controller("dc2")
    with forest.administrator("dc2") as directory:
        settings = _settings_dn(directory, second)
        options = int(directory.read(settings, "options").get("options", [b"0"])[0])
        changed = options | _DISABLE_INBOUND if paused else options & ~_DISABLE_INBOUND
        directory.replace(settings, {"options": changed})


def _join(forest: Forest, second: Controller) -> None:
    data = forest.data_of(second)
    (data / "etc/smb.conf").unlink()  # samba-tool writes one for the joined controller, which ours replaces
    command = [
        *("samba-tool", "domain", "join", forest.dns_domain, "RODC" if second.read_only else "DC"),
        f"--server={forest.host}",
        "--authentication-file=/dev/stdin",  # no password in a command line
        "--dns-backend=NONE",
        "--targetdir=/forest",
        f"--option=netbios name={second.name}",
        f"--option=interfaces={second.ip}/8",
        "--option=bind interfaces only=yes",
        "--option=vfs objects=dfs_samba4 acl_xattr xattr_tdb",
    ]
    if forest.flavour == "trixie":
        command.append("--option=ad dc functional level=2016")
    password = forest.administrator_password_file.read_text()
    credentials = f"username=Administrator\npassword={password}\ndomain={forest.netbios}\n"
    _namespace.run_inside(forest.root, command, forest=data, stdin=credentials)


def _hand_over(forest: Forest, second: Controller) -> None:
    """A read-only controller lets nobody sign in whose password it does not hold: it gets the service account's."""
    with forest.administrator() as directory:
        allowed = directory.find("Allowed RODC Password Replication Group")
        directory.add_member(allowed, forest.service_dn)
    command = ["samba-tool", "rodc", "preload", SERVICE_ACCOUNT, f"--server={forest.host}", _SMB_CONF]
    _namespace.run_inside(forest.root, command, forest=forest.data_of(second))


def _replication_id(directory: Directory, controller: Controller) -> str:
    raw = directory.read(_settings_dn(directory, controller), "objectGUID")["objectGUID"][0]
    return str(uuid.UUID(bytes_le=raw))


def _settings_dn(directory: Directory, controller: Controller) -> str:
    servers = "CN=Servers,CN=Default-First-Site-Name,CN=Sites,CN=Configuration"
    return f"CN=NTDS Settings,CN={controller.name.upper()},{servers},{directory.base_dn}"
