"""Configure, start and stop one Samba domain controller on its own loopback address."""

from __future__ import annotations

import os
import signal
import socket
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from lab._authority import Authority
from lab._namespace import kill, start_inside
from lab.errors import ControllerError, LabError, MachineError
from lab.forest import Controller, Forest

# Paths are those inside the root, where the controller's data is mounted at /forest. Everything that defaults to a
# place of the system is named, or a second forest dies with "winbindd child process exited".
_SMB_CONF = """\
[global]
	netbios name = {controller}
	workgroup = {netbios}
	realm = {realm}
	server role = active directory domain controller
	{functional_level}
	server services = ldap,cldap,kdc,rpc,winbindd,s3fs{replication}
	interfaces = {ip}/8
	bind interfaces only = yes
	disable netbios = yes
	tls keyfile = /forest/etc/server.key
	tls certfile = /forest/etc/server.pem
	tls cafile = /forest/etc/ca.pem
	private dir = /forest/private
	state directory = /forest/state
	cache directory = /forest/cache
	lock directory = /forest
	binddns dir = /forest/bind-dns
	pid directory = /forest/run
	ncalrpc dir = /forest/run/ncalrpc
	winbindd socket directory = /forest/run/winbindd
	log file = /forest/log/log.samba
	max log size = 0
	log level = 1 dsdb_password_json_audit:5@/forest/log/passwords.json
	vfs objects = dfs_samba4 acl_xattr xattr_tdb
	# /bin/sh, since the run directory may be mounted noexec
	check password script = {filter}
	# seconds; else a change made while replication was paused waits up to five minutes after it resumes
	dreplsrv:periodic_interval = 5

[sysvol]
	path = /forest/state/sysvol
	read only = no

[netlogon]
	path = /forest/state/sysvol/{dns_domain}/scripts
	read only = no
"""

_KRB5_CONF = """\
[libdefaults]
	default_realm = {realm}
	dns_lookup_realm = false
	dns_lookup_kdc = false
	rdns = false
	udp_preference_limit = 1
[realms]
{realms}
[domain_realm]
	.{dns_domain} = {realm}
	{dns_domain} = {realm}
"""

FILTER_FILE = "etc/filter.sh"
_FILTER = f"/bin/sh /forest/{FILTER_FILE}"
_SAMBA = ["samba", "--foreground", "--no-process-group", "--configfile=/forest/etc/smb.conf"]
_PORTS = (389, 636, 88, 464, 445)


def functional_level(forest: Forest) -> str:
    """The newest level this flavour's Samba provides."""
    return "2016" if forest.flavour == "trixie" else "2008_R2"


def configure(forest: Forest, controller: Controller) -> None:
    """Write smb.conf, krb5.conf, hosts and a fresh certificate into the controller's data directory."""
    data = forest.data_of(controller)
    for name in ("etc", "run/winbindd", "log", "cache"):
        (data / name).mkdir(parents=True, exist_ok=True)
    level = f"ad dc functional level = {functional_level(forest)}" if forest.flavour == "trixie" else ""
    smb_conf = _SMB_CONF.format(
        controller=controller.name.upper(),
        netbios=forest.netbios,
        realm=forest.realm,
        dns_domain=forest.dns_domain,
        functional_level=level,
        replication=",drepl,kcc" if len(forest.controllers) > 1 else "",
        ip=controller.ip,
        filter=_FILTER if (data / FILTER_FILE).exists() else "",
    )
    (data / "etc/smb.conf").write_text(smb_conf)
    (data / "etc/krb5.conf").write_text(krb5_conf(forest))
    hosts = [f"{each.ip} {each.name}.{forest.dns_domain} {each.name}" for each in forest.controllers]
    hosts += [
        f"{each.ip} {each.replication_id}._msdcs.{forest.dns_domain}"
        for each in forest.controllers
        if each.replication_id
    ]
    (data / "etc/hosts").write_text("\n".join(["127.0.0.1 localhost", *hosts, ""]))
    authority = Authority(forest.directory / "ca.pem", forest.directory / "ca.key")
    authority.issue(data / "etc", f"{controller.name}.{forest.dns_domain}", controller.ip, datetime.now(UTC))
    (data / "etc/ca.pem").write_bytes(authority.certificate.read_bytes())


def write_krb5_conf(forest: Forest) -> None:
    """Write krb5.conf for clients on the host: one with all controllers, and one for each."""
    forest.krb5_conf.write_text(krb5_conf(forest))
    for each in forest.controllers:
        forest.krb5_conf_of(each.name).write_text(krb5_conf(replace(forest, controllers=(each,))))


def krb5_conf(forest: Forest) -> str:
    """Names every controller by address; the lower-case realm too, since Samba's replication asks for it."""
    servers = "".join(f"\t\tkdc = {each.ip}\n\t\tkpasswd_server = {each.ip}\n" for each in forest.controllers)
    realms = "".join(f"\t{realm} = {{\n{servers}\t}}\n" for realm in (forest.realm, forest.dns_domain))
    return _KRB5_CONF.format(realm=forest.realm, dns_domain=forest.dns_domain, realms=realms)


def start(forest: Forest, controller: Controller) -> Forest:
    """Start the controller, wait until it answers on LDAPS and Kerberos, and return the forest as it is then.

    Its processes are on record as soon as they exist, so that ``lab down`` finds them whatever happens to us.
    """
    check_address(controller.ip)
    data = forest.data_of(controller)
    keeper, first = start_inside(forest.root, _SAMBA, forest=data, log=data / "log/console")
    started = replace(controller, keeper=keeper, first=first)
    forest = forest.having(started)
    forest.save()
    try:
        _wait_until_ready(forest, started)
    except LabError:
        kill(first, keeper)
        raise
    return forest


def stop(controller: Controller, *, timeout: float = 10) -> None:
    """End the controller in an orderly way, so that its databases are closed; kill what is left after ``timeout`` s."""
    if controller.first is not None and controller.first.alive():
        os.kill(controller.first.pid, signal.SIGTERM)
        deadline = time.monotonic() + timeout
        while controller.running and time.monotonic() < deadline:
            time.sleep(0.02)
    destroy(controller)


def destroy(controller: Controller) -> None:
    """SIGKILL every process of the controller at once."""
    kill(*(process for process in (controller.first, controller.keeper) if process is not None))


def check_address(ip: str) -> None:
    """Refuse an address on which something else listens."""
    for port in _PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((ip, port))
            except OSError as error:
                raise MachineError(f"{ip} port {port} is not free ({error.strerror}): choose another --ip") from None


def _wait_until_ready(forest: Forest, controller: Controller, timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    signed_in = forest.service if controller.read_only else forest.administrator
    while True:
        try:
            for port in (88, 464, 445):
                socket.create_connection((controller.ip, port), timeout=1).close()
            with signed_in(controller.name) as directory:
                directory.read("", "supportedControl")
                return
        except (OSError, ControllerError) as error:
            log = forest.data_of(controller) / "log"
            if not controller.running:
                raise ControllerError(f"{controller.name} ended while starting, see {log}") from error
            if time.monotonic() > deadline:
                raise ControllerError(f"{controller.name} did not answer in {timeout:.0f} s, see {log}") from error
            time.sleep(0.05)


def wipe_runtime(data: Path) -> None:
    """Remove what a controller leaves while it runs, before its data is kept as a template."""
    for name in ("log", "run", "msg.sock", "msg.lock"):
        for path in sorted((data / name).rglob("*"), reverse=True):
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink()
