"""Each domain controller: reachable, trusted, signed in, able to do what writing needs."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Callable, Iterator
from datetime import datetime

from keyback.agent.checks.certificates import judge_certificate
from keyback.agent.checks.findings import Finding, Section, Status
from keyback.agent.checks.plan import host_port
from keyback.agent.config import ForestConfig
from keyback.directory import Connection, DirectoryServer, Policies, connect, sees_deletions
from keyback.directory._link import shake_hands
from keyback.directory.errors import BindRefused, DirectoryError, NotFound, TlsFailure
from keyback.passwords import DirectoryPolicy

__all__ = ["LOWEST_LEVEL", "check_server"]

LOWEST_LEVEL = 4
"""Windows Server 2008 R2: the first whose controllers can have the policy hints control."""

_LEVELS = {0: "2000", 2: "2003", 3: "2008", 4: "2008 R2", 5: "2012", 6: "2012 R2", 7: "2016", 10: "2025"}
_CLOCK_S = 300  # what Kerberos bears

_BIND_REASONS = {
    "52e": "the name or the password is wrong",
    "525": "there is no such account",
    "530": "not at this hour",
    "531": "not from this machine",
    "532": "its password has expired",
    "533": "it is disabled",
    "701": "it has expired",
    "773": "its password must be changed first",
    "775": "it is locked out",
}


def check_server(forest: ForestConfig, server: DirectoryServer, *, now: Callable[[], datetime]) -> Section:
    return Section(f"Directory {forest.name}: {host_port(server.url)}", tuple(_steps(forest, server, now)))


def _steps(forest: ForestConfig, server: DirectoryServer, now: Callable[[], datetime]) -> Iterator[Finding]:
    began = time.monotonic()
    address = host_port(server.url)
    try:
        certificate = None if server.seals else shake_hands(server)
    except TlsFailure as error:
        repair = (f"Put the authority that issued the controller's certificate into {server.ca_file}, and name the "
                  "controller as its certificate does.",)  # fmt: skip
        yield Finding("directory.tls", Status.FAILED, f"TLS: {error.message}", repair)
        return
    except DirectoryError as error:
        text = f"Not reachable: {error.message}"
        yield Finding("directory.reach", Status.FAILED, text, (f"Allow outbound TCP to {address}.",))
        return
    if certificate is None:
        yield Finding("directory.tls", Status.OK, "No TLS: Kerberos encrypts (GSSAPI sign and seal)")
    else:
        yield judge_certificate("directory.tls", certificate, now(), _since(began))
    began = time.monotonic()
    try:
        with connect(server) as connection:
            signed_in = f"Signed in as {forest.account}"
            yield Finding("directory.bind", Status.OK, signed_in, took_ms=_since(began))
            yield from _abilities(connection, now())
            yield from _scope(connection, forest)
            yield _deletions(connection)
            yield _policy(connection)
            yield _kerberos(server)
    except BindRefused as error:
        reason = _BIND_REASONS.get(error.data or "", error.message)
        stored = f"{forest.keytab}" if forest.keytab else f"bind_dn and {forest.password_file}"
        repair = (f"Correct {stored}, or the account itself.",)
        yield Finding("directory.bind", Status.FAILED, f"Not signed in as {forest.account}: {reason}", repair)
    except DirectoryError as error:
        yield Finding("directory.read", Status.FAILED, f"Broke off: {error.message}")


def _abilities(connection: Connection, ours: datetime) -> Iterator[Finding]:
    root = connection.root
    if root.read_only:
        text = "A read-only controller: people are read from it, passwords are written to others"
        yield Finding("directory.read_only", Status.NOTE, text)
    if root.hints_control:
        text = f"Password policy hints: offered ({root.hints_control})"
        yield Finding("directory.hints", Status.OK, text)
    else:
        text = "Password policy hints: not offered (6329), so history and minimum age would not count; nothing is reset"
        repair = ("Use a controller that offers them: Windows Server 2008 R2 or later, Samba 4.24 or later.",)
        yield Finding("directory.hints", Status.FAILED, text, repair)
    level = root.domain_functionality
    text = f"Functional level of the domain: {level} (Windows Server {_LEVELS.get(level, 'later than 2016')})"
    if level < LOWEST_LEVEL:
        yield Finding("directory.level", Status.FAILED, text, ("Raise it to Windows Server 2008 R2 or higher.",))
    else:
        yield Finding("directory.level", Status.OK, text)
    skew = round((ours - connection.server_time()).total_seconds())
    if abs(skew) > _CLOCK_S:
        text = f"Clock: {abs(skew)} s {'ahead of' if skew > 0 else 'behind'} the controller's; Kerberos bears 300 s"
        yield Finding("directory.clock", Status.WARNING, text, ("Let both clocks follow a time server.",))
    else:
        yield Finding("directory.clock", Status.OK, f"Clock: {abs(skew)} s from the controller's")


def _scope(connection: Connection, forest: ForestConfig) -> Iterator[Finding]:
    for base in forest.base_dns:
        try:
            connection.search(base, ["1.1"])
        except NotFound:
            repair = ("Correct base_dns, or let the account read there.",)
            yield Finding("directory.scope", Status.FAILED, f"People: {base} is not there, or hidden", repair)
        except DirectoryError as error:
            yield Finding("directory.scope", Status.FAILED, f"People: {base}: {error.message}")
        else:
            yield Finding("directory.scope", Status.OK, f"People: {base}")


def _deletions(connection: Connection) -> Finding:
    if sees_deletions(connection):
        return Finding("directory.deletions", Status.OK, "Deletions: seen as they happen")
    text = "Deletions: the account may not look into Deleted Objects, so they are found by comparing who is there: at "
    text += "once in a small directory, less often in a large one, at the latest after sweep_interval_s"
    return Finding("directory.deletions", Status.NOTE, text)


def _kerberos(server: DirectoryServer) -> Finding:
    """What a sign-in that is passed through needs beside LDAP."""
    host, _ = server.address
    if shutil.which("kinit") is None:
        repair = ("apt install krb5-user",)
        return Finding("directory.kerberos", Status.WARNING, "Sign-ins: kinit is not installed", repair)
    try:
        socket.create_connection((host, server.kerberos_port), timeout=server.network_timeout).close()
    except OSError as error:
        text = f"Sign-ins: TCP {server.kerberos_port} cannot be reached ({error.strerror or error}), so that within an "
        text += "hour of a change nobody can sign in to the portal with it"
        repair = (f"Allow outbound TCP to {host}:{server.kerberos_port}.",)
        return Finding("directory.kerberos", Status.WARNING, text, repair)
    return Finding("directory.kerberos", Status.OK, f"Sign-ins: TCP {server.kerberos_port} answers")


def _policy(connection: Connection) -> Finding:
    try:
        policy = Policies().domain(connection)
    except DirectoryError as error:
        return Finding("directory.policy", Status.FAILED, f"Password policy: {error.message}")
    text = f"Password policy of the domain: {_words(policy)}"
    if policy.min_age:
        hours = policy.min_age.total_seconds() / 3600
        return Finding("directory.policy", Status.NOTE, f"{text}. Nobody can reset twice within {hours:g} hours")
    return Finding("directory.policy", Status.OK, text)


def _words(policy: DirectoryPolicy) -> str:
    return ", ".join(
        (
            f"{policy.min_length} characters",
            "complex" if policy.complexity else "not complex",
            f"{policy.history} remembered",
            f"minimum age {policy.min_age.total_seconds() / 3600:g} hours",
            f"maximum age {f'{policy.max_age.days} days' if policy.max_age else 'none'}",
            f"locked after {policy.lockout_threshold} failures" if policy.lockout_threshold else "never locked",
        )
    )


def _since(began: float) -> int:
    return round(1000 * (time.monotonic() - began))
