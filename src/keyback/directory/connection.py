"""Encrypted, verified, bound connections to a domain controller, and a pool of them.

python-ldap releases the interpreter's lock while it waits, so that these blocking calls belong into threads. A
connection serves one thread at a time; the pool hands them out. Every operation has a time limit, and a connection
that failed to answer once is never used again, since a late answer could be taken for that of the next question.
"""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit
from uuid import UUID

import ldap
from ldap.controls import RequestControl

from keyback.directory import errors
from keyback.directory._values import Entry, sid_text

__all__ = [
    "HINTS_CONTROLS",
    "Connection",
    "DirectoryServer",
    "Pool",
    "RootDse",
    "bind",
    "connect",
    "hang_up",
    "open_link",
]

HINTS_CONTROLS = ("1.2.840.113556.1.4.2239", "1.2.840.113556.1.4.2066")
"""LDAP_SERVER_POLICY_HINTS_OID, and the number it had before Windows Server 2012; the first offered is used."""

_IDLE_BEFORE_PROBE = 30.0  # seconds; firewalls forget a silent connection after minutes, and tell nobody


@dataclass(frozen=True, slots=True)
class DirectoryServer:
    """One domain controller and the service account's credentials.

    ``url`` is ``ldaps://host[:port]``, or ``ldap://host[:port]`` for StartTLS; there is no unencrypted way.
    ``ca_file`` holds the certificate authorities (PEM). Time limits are in seconds: ``network_timeout`` for reaching
    the server and agreeing on TLS, ``operation_timeout`` for an answer.
    Raises ValueError for another scheme, and for an empty name or password (which would bind anonymously).
    """

    url: str
    ca_file: Path
    bind_dn: str
    password: str = field(repr=False)
    network_timeout: float = 5.0
    operation_timeout: float = 10.0

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("ldaps", "ldap") or not parts.hostname or parts.path.strip("/"):
            raise ValueError(f"{self.url}: give ldaps://host or ldap://host")
        if not self.bind_dn or not self.password:
            raise ValueError("the service account needs a name and a password")


@dataclass(frozen=True, slots=True)
class RootDse:
    """What a server says about itself and about who is signed in (MS-ADTS 3.1.1.3.2)."""

    dns_host_name: str
    default_naming_context: str
    configuration_naming_context: str
    ds_service_name: str
    invocation_id: UUID
    supported_controls: frozenset[str]
    domain_functionality: int
    own_sids: tuple[str, ...]

    @property
    def hints_control(self) -> str | None:
        """The number of the policy hints control that this server takes, or None."""
        return next((oid for oid in HINTS_CONTROLS if oid in self.supported_controls), None)

    @property
    def own_sid(self) -> str:
        """The SID of the account that is signed in."""
        return self.own_sids[0]


_ROOT_DSE = (
    "dnsHostName",
    "defaultNamingContext",
    "configurationNamingContext",
    "dsServiceName",
    "supportedControl",
    "domainFunctionality",
    "currentTime",
    "tokenGroups",
)


def open_link(server: DirectoryServer) -> Any:
    """A python-ldap object that speaks TLS with a verified server and is bound to nobody yet.

    Nothing is sent for ldaps:// before the first operation. Raises TlsFailure and Unreachable.
    """
    link = ldap.initialize(server.url)
    link.protocol_version = ldap.VERSION3
    link.set_option(ldap.OPT_REFERRALS, 0)
    link.set_option(ldap.OPT_NETWORK_TIMEOUT, server.network_timeout)
    link.set_option(ldap.OPT_TIMEOUT, server.operation_timeout)
    link.set_option(ldap.OPT_X_KEEPALIVE_IDLE, 60)
    link.set_option(ldap.OPT_X_KEEPALIVE_PROBES, 3)
    link.set_option(ldap.OPT_X_KEEPALIVE_INTERVAL, 10)
    try:
        link.set_option(ldap.OPT_X_TLS_CACERTFILE, str(server.ca_file))
        link.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND)
        link.set_option(ldap.OPT_X_TLS_NEWCTX, 0)  # last: it makes the context from the options before it
    except (ldap.LDAPError, ValueError) as error:
        raise errors.TlsFailure(server.url, f"cannot read the certificate authorities in {server.ca_file}") from error
    if server.url.startswith("ldap://"):
        try:
            link.start_tls_s()
        except ldap.LDAPError as error:
            raise _not_connected(error, server) from error
    return link


def _not_connected(error: ldap.LDAPError, server: DirectoryServer) -> errors.DirectoryError:
    failed = errors.translate(error, server.url)
    if isinstance(error, ldap.CONNECT_ERROR) or "certificate" in failed.message.lower():
        return errors.TlsFailure(server.url, failed.message)
    return failed


def bind(link: Any, server: DirectoryServer, name: str, password: str) -> None:
    """Bind ``link``. Raises ldap.INVALID_CREDENTIALS as it is, and DirectoryError for everything else."""
    if not name or not password:
        raise ValueError("a bind without a name or a password would be anonymous")
    try:
        link.result4(link.simple_bind(name, password), ldap.MSG_ALL, server.operation_timeout)
    except ldap.INVALID_CREDENTIALS:
        raise
    except ldap.LDAPError as error:
        raise _not_connected(error, server) from error


class Connection:
    """A bound connection to one server; a context manager. Made by `connect`."""

    def __init__(self, server: DirectoryServer, link: Any) -> None:
        self.server = server
        self.broken = False
        self._link = link
        self.root = self._read_root()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self.broken = True
        with suppress(ldap.LDAPError):
            self._link.unbind_ext()

    def server_time(self) -> datetime:
        """The controller's own clock (UTC), as read when connecting and counted on from there; ±1 s.

        To be compared with times that the directory holds; this machine's clock says nothing about those.
        """
        return self._server_time + timedelta(seconds=time.clock_gettime(time.CLOCK_BOOTTIME) - self._read_at)

    def search(
        self,
        base: str,
        attributes: Sequence[str],
        *,
        scope: int = ldap.SCOPE_BASE,
        filter: str = "(objectClass=*)",
        controls: Sequence[RequestControl] = (),
    ) -> list[Entry]:
        """All entries found. Referrals are left out. Raises DirectoryError."""
        return list(self.stream(base, attributes, scope=scope, filter=filter, controls=controls))

    def stream(
        self,
        base: str,
        attributes: Sequence[str],
        *,
        scope: int,
        filter: str,
        controls: Sequence[RequestControl] = (),
        answered: list[Any] | None = None,
    ) -> Iterator[Entry]:
        """Entries one by one, as they arrive. The controls of the final answer are put into ``answered``.

        An iteration that is given up leaves answers in the pipe, so the connection counts as broken then.
        """
        finished = False
        with self._translated():
            try:
                message = self._link.search_ext(base, scope, filter, list(attributes), serverctrls=list(controls))
                while True:
                    kind, found, _, returned = self._link.result3(
                        message, all=ldap.MSG_ONE, timeout=self.server.operation_timeout
                    )
                    if kind == ldap.RES_SEARCH_RESULT:
                        break
                    yield from (Entry.of(dn, values) for dn, values in found if dn is not None)
                finished = True
            except ldap.LDAPError as error:
                finished = not errors.connection_lost(error)
                raise
            finally:
                self.broken = self.broken or not finished
        if answered is not None:
            answered.extend(returned)

    def modify(
        self,
        target: str,
        replacements: Sequence[tuple[str, bytes]],
        *,
        timeout: float,
        controls: Sequence[RequestControl] = (),
    ) -> None:
        """Replace attributes in one operation, all or nothing. ``timeout`` in seconds.

        Raises WriteTimedOut when it was sent, or may have been, and no answer came; other DirectoryErrors mean that
        nothing was written.
        """
        changes = [(ldap.MOD_REPLACE, name, [value]) for name, value in replacements]
        try:
            message = self._link.modify_ext(target, changes, serverctrls=list(controls))
            self._link.result3(message, timeout=timeout)
        except ldap.LDAPError as error:
            if errors.connection_lost(error):
                self.broken = True
                raise errors.WriteTimedOut(self.server.url, "no answer to a write") from error
            raise errors.translate(error, self.server.url) from error

    def alive(self, *, answered_since: float) -> bool:
        """Whether it can be used. The server is asked only if it has not answered since that ``time.monotonic()``."""
        if self.broken:
            return False
        poll = select.poll()
        poll.register(self._link.fileno(), select.POLLIN)
        if poll.poll(0):  # nothing is asked, so this is the end of the connection, or its notice
            return False
        if self._used_at < answered_since:
            try:
                self._read_clock()
            except errors.DirectoryError:
                return False
        return True

    def used(self) -> None:
        """Remember that the server answered just now."""
        self._used_at = time.monotonic()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except ldap.LDAPError as error:
            raise errors.translate(error, self.server.url) from error

    def _read_clock(self) -> Entry:
        entry = self.search("", _ROOT_DSE)[0]
        self._server_time = entry.time("currentTime")
        self._read_at = time.clock_gettime(time.CLOCK_BOOTTIME)
        self.used()
        return entry

    def _read_root(self) -> RootDse:
        entry = self._read_clock()
        service = entry.text("dsServiceName")
        settings = self.search(service, ["invocationId"])[0]
        return RootDse(
            dns_host_name=entry.text("dnsHostName"),
            default_naming_context=entry.text("defaultNamingContext"),
            configuration_naming_context=entry.text("configurationNamingContext"),
            ds_service_name=service,
            invocation_id=settings.guid("invocationId"),
            supported_controls=frozenset(entry.texts("supportedControl")),
            domain_functionality=entry.number("domainFunctionality"),
            own_sids=tuple(map(sid_text, entry.raw("tokenGroups"))),
        )


def connect(server: DirectoryServer) -> Connection:
    """Connect, verify the server's certificate, bind as the service account, and read the rootDSE.

    Raises Unreachable, TlsFailure, BindRefused, and what reading may raise.
    """
    link = open_link(server)
    try:
        bind(link, server, server.bind_dn, server.password)
        return Connection(server, link)
    except ldap.INVALID_CREDENTIALS as error:
        hang_up(link)
        raise errors.translate(error, server.url) from error
    except BaseException:
        hang_up(link)
        raise


def hang_up(link: Any) -> None:
    """Close what `open_link` opened."""
    with suppress(ldap.LDAPError):
        link.unbind_ext()


class Pool:
    """Up to ``size`` connections to one server, each lent to one thread at a time; more borrowers wait.

    A connection that failed, or died while idle, is replaced. After a failure the idle ones, which most likely died
    with it, must answer a question before they are lent again.
    """

    def __init__(self, server: DirectoryServer, size: int = 4) -> None:
        self.server = server
        self._slots = threading.BoundedSemaphore(size)
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._closed = False
        self._failed_at = 0.0

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Lend a live connection. Raises what `connect` raises."""
        with self._slots:
            connection = self._borrow()
            try:
                yield connection
            except errors.DirectoryError as error:
                connection.broken = connection.broken or isinstance(error, errors.Unreachable)
                raise
            finally:
                self._give_back(connection)

    def close(self) -> None:
        """Hang up all idle connections, and those that are lent when they come back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _borrow(self) -> Connection:
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return connect(self.server)
            if connection.alive(answered_since=max(self._failed_at, time.monotonic() - _IDLE_BEFORE_PROBE)):
                return connection
            connection.close()

    def _give_back(self, connection: Connection) -> None:
        with self._lock:
            if not connection.broken and not self._closed:
                connection.used()
                self._idle.append(connection)
                return
            self._failed_at = time.monotonic()
        connection.close()
