"""Encrypted, verified, bound connections to a domain controller.

python-ldap releases the interpreter's lock while it waits, so that these blocking calls belong into threads. A
connection serves one thread at a time; `Pool` hands them out. Every operation has a time limit, and a connection
that failed to answer once sends nothing more.
"""

from __future__ import annotations

import select
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import starmap
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import ldap
from ldap.controls import RequestControl, SimplePagedResultsControl

from keyback.directory import errors
from keyback.directory._link import DirectoryServer, hang_up, sign_in_as_service
from keyback.directory._values import Entry, sid_text

__all__ = ["HINTS_CONTROLS", "PAGE_SIZE", "Change", "Connection", "DirectoryServer", "RootDse", "connect"]

HINTS_CONTROLS = ("1.2.840.113556.1.4.2239", "1.2.840.113556.1.4.2066")
"""LDAP_SERVER_POLICY_HINTS_OID, and the number it had before Windows Server 2012; the first offered is used."""


Change = tuple[int, str, bytes]
"""What is done to an attribute (ldap.MOD_REPLACE, MOD_DELETE, MOD_ADD), its name, and one value."""

_PAGE_SECONDS = 60.0
"""A page may take so long, where the server has no longer time limit: Samba looks for everybody before it sends the
first one, 38 µs for each person on our machine, and 500 entries may come over a slow line."""

_LOOK_SECONDS = 0.5
"""How often whoever waits for a page looks whether anybody still wants it."""

PAGE_SIZE = 500
"""Entries a page: half of what Active Directory gives at most (MaxPageSize), so that work on them begins sooner. Since
the next page is asked for ahead, more of them cost no waiting."""

_Found = tuple[str, Mapping[str, Sequence[bytes]]]
"""An entry as python-ldap returns it: its name and its values."""


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
    read_only: bool

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
    "supportedCapabilities",
)
_PARTIAL_SECRETS = "1.2.840.113556.1.4.1920"
"""LDAP_CAP_ACTIVE_DIRECTORY_PARTIAL_SECRETS_OID: a read-only controller (MS-ADTS 3.1.1.3.4.3.4). Samba's does not say
so there; both say it by msDS-isRODC of their NTDS Settings (MS-ADTS 3.1.1.4.5.15)."""


class Connection:
    """A bound connection to one server; a context manager. Made by `connect`.

    ``broken``: it sends nothing more. ``asked``: answers to a search may still come.
    """

    def __init__(self, server: DirectoryServer, link: Any) -> None:
        self.server = server
        self.broken = False
        self.asked = False
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

    def give_up(self) -> None:
        """From another thread: a page that this connection waits for is not waited for any longer."""
        self.broken = True

    def emulates_pdc(self) -> bool:
        """Whether this server is the PDC emulator of its domain now: the role may move. It hears of every password
        first, and is asked by others when a password seems wrong (MS-ADTS 6.1.5.3)."""
        domain = self.search(self.root.default_naming_context, ["fSMORoleOwner"])[0]
        return domain.text("fSMORoleOwner").lower() == self.root.ds_service_name.lower()

    def search(
        self,
        base: str,
        attributes: Sequence[str],
        *,
        scope: int = ldap.SCOPE_BASE,
        filter: str = "(objectClass=*)",
        controls: Sequence[RequestControl] = (),
        timeout: float | None = None,
    ) -> list[Entry]:
        """All entries found. Referrals are left out. ``timeout`` in seconds, the server's own if None. Raises
        DirectoryError."""
        return list(self.stream(base, attributes, scope=scope, filter=filter, controls=controls, timeout=timeout))

    def stream(
        self,
        base: str,
        attributes: Sequence[str],
        *,
        scope: int,
        filter: str,
        controls: Sequence[RequestControl] = (),
        answered: list[Any] | None = None,
        timeout: float | None = None,
    ) -> Generator[Entry, None, None]:
        """Entries one by one, as they arrive. The controls of the final answer are put into ``answered``.

        An iteration that is given up leaves answers in the pipe, so the connection counts as broken then.
        """
        returned = [] if answered is None else answered
        with self._asking():
            message = self._ask(base, attributes, scope, filter, controls)
            yield from starmap(Entry.of, self._answers(message, returned, timeout))

    def paged(
        self,
        base: str,
        attributes: Sequence[str],
        filter: str,
        *,
        page_size: int = PAGE_SIZE,
        controls: Sequence[RequestControl] = (),
    ) -> Generator[Entry, None, None]:
        """Entries below ``base``, asked for in pages (RFC 2696).

        As soon as a page is there the next one is asked for, and only then are its entries handed out: the server makes
        one page while somebody works on the one before. An iteration that is given up leaves the connection broken.
        """
        with self._asking():
            timeout = max(_PAGE_SECONDS, self.server.operation_timeout)
            cookie = b""
            page: list[_Found] = []
            while True:
                control = SimplePagedResultsControl(criticality=True, size=page_size, cookie=cookie)
                message = self._ask(base, attributes, ldap.SCOPE_SUBTREE, filter, [control, *controls])
                yield from starmap(Entry.of, page)
                found, answered = self._whole(message, timeout)
                page = [one for one in found if one[0] is not None]
                cookie = next((c.cookie for c in answered if isinstance(c, SimplePagedResultsControl)), b"")
                if not cookie:
                    break
            yield from starmap(Entry.of, page)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Raises DirectoryError for what goes wrong; the connection is broken where answers may still come."""
        self._refuse_if_broken()
        self.asked, finished = True, False
        try:
            yield
            finished = True
        except ldap.LDAPError as error:
            finished = not errors.connection_lost(error)
            raise errors.translate(error, self.server.url) from error
        finally:
            self.asked = False
            self.broken = self.broken or not finished

    def _ask(
        self, base: str, attributes: Sequence[str], scope: int, filter: str, controls: Sequence[RequestControl]
    ) -> int:
        """Sends the question; returns the number that its answers will carry."""
        return int(self._link.search_ext(base, scope, filter, list(attributes), serverctrls=list(controls)))

    def _answers(self, message: int, answered: list[Any], timeout: float | None = None) -> Iterator[_Found]:
        """Each entry as it arrives, referrals left out."""
        while True:
            kind, found, _, returned = self._link.result3(
                message, all=ldap.MSG_ONE, timeout=timeout or self.server.operation_timeout
            )
            if kind == ldap.RES_SEARCH_RESULT:
                answered.extend(returned)
                return
            yield from (one for one in found if one[0] is not None)

    def _whole(self, message: int, timeout: float) -> tuple[list[Any], list[Any]]:
        """All entries, with the controls of the final answer."""
        until = time.monotonic() + timeout
        while True:
            try:
                _, found, _, answered = self._link.result3(message, all=ldap.MSG_ALL, timeout=_LOOK_SECONDS)
            except ldap.TIMEOUT:
                if self.broken or time.monotonic() >= until:
                    raise
            else:
                return found, answered

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

    def alive(self) -> bool:
        """Whether it can be used: asks the server, and waits no longer for its answer than for reaching it."""
        if self.broken:
            return False
        poll = select.poll()
        poll.register(self._link.fileno(), select.POLLIN)
        if poll.poll(0):  # nothing is asked, so this is the end of the connection, or its notice
            return False
        try:
            self._read_clock(("currentTime",), self.server.network_timeout)
        except errors.DirectoryError:
            return False
        return True

    def _refuse_if_broken(self) -> None:
        if self.broken:
            raise errors.Unreachable(self.server.url, "the connection is closed")

    def _read_clock(self, attributes: Sequence[str], timeout: float | None = None) -> Entry:
        entry = self.search("", attributes, timeout=timeout)[0]
        self._server_time = entry.time("currentTime")
        self._read_at = time.clock_gettime(time.CLOCK_BOOTTIME)
        return entry

    def _read_root(self) -> RootDse:
        try:
            entry = self._read_clock(_ROOT_DSE)
            service = entry.text("dsServiceName")
            settings = self.search(service, ["invocationId", "msDS-isRODC"])[0]
            invocation_id = settings.guid("invocationId")
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
            read_only=_PARTIAL_SECRETS in entry.texts("supportedCapabilities")
            or settings.text("msDS-isRODC").upper() == "TRUE",
        )


def connect(server: DirectoryServer) -> Connection:
    """Connect, verify the server's certificate, bind as the service account, and read the rootDSE.

    Raises Unreachable, TlsFailure, BindRefused, and what reading may raise.
    """
    link = sign_in_as_service(server)
    try:
        return Connection(server, link)
    except BaseException:
        hang_up(link)
        raise
