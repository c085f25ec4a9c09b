"""Encrypted, verified, bound connections to a domain controller.

python-ldap releases the interpreter's lock while it waits, so that these blocking calls belong into threads. A
connection serves one thread at a time; `Pool` hands them out. Every operation has a time limit, and a connection
that failed to answer once sends nothing more.
"""

from __future__ import annotations

import select
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import ldap
from ldap.controls import RequestControl

from keyback.directory import errors
from keyback.directory._link import DirectoryServer, hang_up, sign_in
from keyback.directory._values import Entry, sid_text

__all__ = ["HINTS_CONTROLS", "Change", "Connection", "DirectoryServer", "RootDse", "connect"]

HINTS_CONTROLS = ("1.2.840.113556.1.4.2239", "1.2.840.113556.1.4.2066")
"""LDAP_SERVER_POLICY_HINTS_OID, and the number it had before Windows Server 2012; the first offered is used."""


Change = tuple[int, str, bytes]
"""What is done to an attribute (ldap.MOD_REPLACE, MOD_DELETE, MOD_ADD), its name, and one value."""


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


class Connection:
    """A bound connection to one server; a context manager. Made by `connect`."""

    def __init__(self, server: DirectoryServer, link: Any) -> None:
        self.server = server
        self.broken = False
        self._link: Any = link
        self.root = self._read_root()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up. May be repeated."""
        self.broken = True
        if self._link is not None:
            hang_up(self._link)
            self._link = None

    def server_time(self) -> datetime:
        """The controller's own clock (UTC), read when connecting and counted on from there; up to 1 s behind.

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
        self._refuse_if_broken()
        finished = False
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
            raise errors.translate(error, self.server.url) from error
        finally:
            self.broken = self.broken or not finished
        self._answered_at = time.monotonic()
        if answered is not None:
            answered.extend(returned)

    def modify(
        self,
        target: str,
        changes: Sequence[Change],
        *,
        timeout: float,
        controls: Sequence[RequestControl] = (),
    ) -> None:
        """All changes in one operation, or none of them. ``timeout`` in seconds.

        Raises WriteTimedOut when it was sent, or may have been, and no answer came; other DirectoryErrors mean that
        nothing was written.
        """
        self._refuse_if_broken()
        try:
            listed = [(kind, name, [value]) for kind, name, value in changes]
            message = self._link.modify_ext(target, listed, serverctrls=list(controls))
            self._link.result3(message, timeout=timeout)
        except ldap.LDAPError as error:
            if errors.connection_lost(error):
                self.broken = True
                raise errors.WriteTimedOut(self.server.url, "no answer to a write") from error
            raise errors.translate(error, self.server.url) from error
        self._answered_at = time.monotonic()

    def alive(self, *, answered_since: float) -> bool:
        """Whether it can be used; asks the server only if it was silent since that ``time.monotonic()``."""
        if self.broken:
            return False
        poll = select.poll()
        poll.register(self._link.fileno(), select.POLLIN)
        if poll.poll(0):  # nothing is asked, so this is the end of the connection, or its notice
            return False
        if self._answered_at < answered_since:
            try:
                self._read_clock()
            except errors.DirectoryError:
                return False
        return True

    def _refuse_if_broken(self) -> None:
        if self.broken:
            raise errors.Unreachable(self.server.url, "the connection is closed")

    def _read_clock(self) -> Entry:
        entry = self.search("", _ROOT_DSE)[0]
        self._server_time = entry.time("currentTime")
        self._read_at = time.clock_gettime(time.CLOCK_BOOTTIME)
        return entry

    def _read_root(self) -> RootDse:
        try:
            entry = self._read_clock()
            service = entry.text("dsServiceName")
            invocation_id = self.search(service, ["invocationId"])[0].guid("invocationId")
        except LookupError as error:
            detail = f"{self.server.url} is not an Active Directory domain controller"
            raise errors.ConfigurationProblem(detail) from error
        return RootDse(
            dns_host_name=entry.text("dnsHostName"),
            default_naming_context=entry.text("defaultNamingContext"),
            configuration_naming_context=entry.text("configurationNamingContext"),
            ds_service_name=service,
            invocation_id=invocation_id,
            supported_controls=frozenset(entry.texts("supportedControl")),
            domain_functionality=entry.number("domainFunctionality"),
            own_sids=tuple(map(sid_text, entry.raw("tokenGroups"))),
        )


def connect(server: DirectoryServer) -> Connection:
    """Connect, verify the server's certificate, bind as the service account, and read the rootDSE.

    Raises Unreachable, TlsFailure, BindRefused, and what reading may raise.
    """
    try:
        link = sign_in(server, server.bind_dn, server.password)
    except ldap.INVALID_CREDENTIALS as error:
        raise errors.translate(error, server.url) from error
    try:
        return Connection(server, link)
    except BaseException:
        hang_up(link)
        raise
