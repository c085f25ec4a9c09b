"""Bring forests up and down."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import suppress
from dataclasses import replace

from lab import _controller, _namespace
from lab._accounts import make_lasting
from lab._root import ensure_root, require_root_user
from lab._settings import DEFAULT_NAME, Flavour, lock, realm_of, run_dir
from lab._template import ensure_template
from lab.errors import BadNameError, MachineError
from lab.forest import STATE_FILE, Controller, Forest, describe, describe_all
from lab.people import PEOPLE, Kind

_DEFAULT_IP = "127.0.0.2"


def up(
    name: str = DEFAULT_NAME, *, ip: str | None = None, flavour: Flavour = "trixie", domain: str | None = None
) -> Forest:
    """Bring the forest ``name`` up and return it; if it is up already, only what was killed of it is started.

    ``ip`` is a loopback address, by default 127.0.0.2 for ``corp`` and the next free one for others. ``domain``, by
    default the name, makes the realm. The first call on a machine makes the root (about a minute) and the first one
    for a domain its template (some seconds).
    """
    require_root_user()
    realm_of(name)
    domain = domain or name
    with lock(f"forest-{name}"):
        if (run_dir() / name / STATE_FILE).exists():
            return _start_all(describe(name), ip, flavour)
        ensure_root(flavour)
        with lock("addresses"):
            forest = _start_new(name, ip, flavour, domain)
        for row in PEOPLE:
            if row.kind is Kind.LOCKED:  # a template may be older than any lock-out lasts
                make_lasting(forest, row)
    return forest


def prepare(domain: str = DEFAULT_NAME, *, flavour: Flavour = "trixie") -> None:
    """Make the root and the template of ``domain`` now, so that :func:`up` is quick later."""
    require_root_user()
    ensure_root(flavour)
    with lock("addresses"):
        ensure_template(domain, flavour, free_address())


def down(name: str = DEFAULT_NAME) -> None:
    """Kill the forest's controllers and delete its data; nothing happens when it is not up."""
    realm_of(name)
    directory = run_dir() / name
    with lock(f"forest-{name}"):
        if (directory / STATE_FILE).exists():
            for controller in describe(name).controllers:
                _controller.destroy(controller)
        shutil.rmtree(directory, ignore_errors=True)
    with suppress(OSError), lock("addresses", wait=False):  # stays where another forest is there, or being made
        run_dir().rmdir()


def kill(name: str = DEFAULT_NAME, controller: str | None = None) -> None:
    """SIGKILL every process of the controller at once; its data stays for :func:`restart`."""
    forest = describe(name)
    killed = forest.controller(controller)
    _controller.destroy(killed)
    forest.having(replace(killed, keeper=None, first=None)).save()


def restart(name: str = DEFAULT_NAME, controller: str | None = None) -> Forest:
    """Start a killed controller on the data it left (a running one is stopped first); return when it answers."""
    forest = describe(name)
    stopped = forest.controller(controller)
    _controller.stop(stopped)
    return _controller.start(forest, stopped)


def freeze(name: str = DEFAULT_NAME, controller: str | None = None) -> None:
    """Stop the controller in its tracks: connections stay open, nothing answers."""
    first = describe(name).controller(controller).first
    if first:
        _namespace.freeze(first)


def thaw(name: str = DEFAULT_NAME, controller: str | None = None) -> None:
    """Let a frozen controller go on."""
    first = describe(name).controller(controller).first
    if first:
        _namespace.thaw(first)


def _start_all(forest: Forest, ip: str | None, flavour: Flavour) -> Forest:
    if ip not in (None, forest.ip) or flavour != forest.flavour:
        raise BadNameError(f"forest {forest.name} is up on {forest.ip} as {forest.flavour}: lab down {forest.name}")
    for controller in forest.controllers:
        if not controller.running:
            forest = _controller.start(forest, controller)
    return forest


def _start_new(name: str, ip: str | None, flavour: Flavour, domain: str) -> Forest:
    address = free_address(ip or (_DEFAULT_IP if name == DEFAULT_NAME else None))
    template = ensure_template(domain, flavour, address)
    controller = Controller("dc1", address)
    forest = Forest(name, domain, flavour, run_dir() / name, (controller,))
    shutil.rmtree(forest.directory, ignore_errors=True)
    # cp keeps the holes of Samba's databases, and shares blocks where the file system can.
    copy = ["cp", "--archive", "--reflink=auto", "--sparse=always", str(template), str(forest.directory)]
    subprocess.run(copy, check=True)
    _controller.write_krb5_conf(forest)
    _controller.configure(forest, controller)
    return _controller.start(forest, controller)


def free_address(wanted: str | None = None) -> str:
    """``wanted``, which must be on loopback, or the next address that no forest has and nothing listens on."""
    if wanted is not None:
        if not wanted.startswith("127."):
            raise BadNameError(f"{wanted} is not on loopback, where the lab must stay")
        _controller.check_address(wanted)
        return wanted
    taken = {controller.ip for forest in describe_all() for controller in forest.controllers}
    for last in range(3, 255):
        address = f"127.0.0.{last}"
        if address not in taken:
            try:
                _controller.check_address(address)
            except MachineError:
                continue
            return address
    raise MachineError("no loopback address is free")
