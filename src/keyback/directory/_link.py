"""Reaching a domain controller: TCP, verified TLS, bind, each within a time limit.

libldap alone cannot be trusted with that. Built with GnuTLS, as Debian builds it, its TLS handshake has no time limit
(with LDAP_OPT_NETWORK_TIMEOUT it even turns in circles at full speed, measured with 2.5.13 against a stopped server),
and it calls every refused certificate "unknown error code". So the way is tried first with Python's own TLS, which
says what is wrong, and libldap then connects in a thread that nobody waits for longer than the limit.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ldap

from keyback.directory import errors

__all__ = ["DirectoryServer", "hang_up", "shake_hands", "sign_in"]

_PORTS = {"ldaps": 636, "ldap": 389}


@dataclass(frozen=True, slots=True)
class DirectoryServer:
    """One domain controller and the service account's credentials.

    ``url`` is ``ldaps://host[:port]``, or ``ldap://host[:port]`` for StartTLS; there is no unencrypted way.
    ``ca_file`` holds the certificate authorities (PEM). Time limits are in seconds: ``network_timeout`` for reaching
    the server and agreeing on TLS, ``operation_timeout`` for an answer. ``kerberos_port``: of the key distribution
    centre on the same host.
    Raises ValueError for another scheme, and for an empty name or password (which would bind anonymously).
    """

    url: str
    ca_file: Path
    bind_dn: str
    password: str = field(repr=False)
    network_timeout: float = 5.0
    operation_timeout: float = 10.0
    kerberos_port: int = 88

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/"):
            raise ValueError(f"{self.url}: give ldaps://host or ldap://host")
        if not self.bind_dn or not self.password:
            raise ValueError("the service account needs a name and a password")

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or _PORTS[parts.scheme]

    @property
    def starts_tls(self) -> bool:
        """Whether encryption is agreed upon with StartTLS, rather than from the first byte on."""
        return self.url.startswith("ldap:")


def sign_in(server: DirectoryServer, name: str, password: str) -> Any:
    """A python-ldap object that speaks TLS with the verified server and is bound as ``name``.

    Raises ValueError for an empty name or password, ldap.INVALID_CREDENTIALS as it is, and otherwise DirectoryError:
    Unreachable, TlsFailure, ConfigurationProblem.
    """
    if not name or not password:
        raise ValueError("a bind without a name or a password would be anonymous")
    shake_hands(server)
    limit = server.network_timeout + server.operation_timeout
    return _within(limit, server, lambda: _open(server, name, password))


def hang_up(link: Any) -> None:
    """Close what `sign_in` opened."""
    with suppress(ldap.LDAPError):
        link.unbind_ext()


def _open(server: DirectoryServer, name: str, password: str) -> Any:
    link = ldap.initialize(server.url)
    link.protocol_version = ldap.VERSION3
    link.set_option(ldap.OPT_REFERRALS, 0)
    link.set_option(ldap.OPT_TIMEOUT, server.operation_timeout)
    link.set_option(ldap.OPT_X_KEEPALIVE_IDLE, 60)
    link.set_option(ldap.OPT_X_KEEPALIVE_PROBES, 3)
    link.set_option(ldap.OPT_X_KEEPALIVE_INTERVAL, 10)
    link.set_option(ldap.OPT_X_TLS_CACERTFILE, str(server.ca_file))
    link.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND)
    link.set_option(ldap.OPT_X_TLS_NEWCTX, 0)  # last: it makes the context from the options before it
    try:
        if server.starts_tls:
            link.start_tls_s()
        link.result4(link.simple_bind(name, password), ldap.MSG_ALL, server.operation_timeout)
    except BaseException as error:
        hang_up(link)
        if isinstance(error, ldap.CONNECT_ERROR):
            raise errors.TlsFailure(server.url, "StartTLS failed") from error
        if isinstance(error, ldap.LDAPError) and not isinstance(error, ldap.INVALID_CREDENTIALS):
            raise errors.translate(error, server.url) from error
        raise
    return link


def _within(limit: float, server: DirectoryServer, work: Callable[[], Any]) -> Any:
    done: Future[Any] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, name="ldap-connect", daemon=True).start()
    try:
        return done.result(limit)
    except TimeoutError:
        done.add_done_callback(_hang_up_late)
        raise errors.Unreachable(server.url, f"no connection within {limit:g} s") from None


def _hang_up_late(done: Future[Any]) -> None:
    if done.exception() is None:
        hang_up(done.result())


def shake_hands(server: DirectoryServer) -> bytes:
    """Reach the server and agree on TLS with it, no more; its certificate (DER), which was verified.

    Raises Unreachable and TlsFailure, which say what is wrong.
    """
    host, _ = server.address
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies chain and host name
        context.load_verify_locations(cafile=server.ca_file)
    except (OSError, ssl.SSLError) as error:
        detail = f"cannot read certificate authorities from {server.ca_file}: {_reason(error)}"
        raise errors.TlsFailure(server.url, detail) from error
    try:
        with socket.create_connection(server.address, timeout=server.network_timeout) as plain:
            if server.starts_tls:
                _ask_for_tls(plain, server)
            with context.wrap_socket(plain, server_hostname=host) as secured:
                return secured.getpeercert(binary_form=True) or b""
    except ssl.SSLCertVerificationError as error:
        raise errors.TlsFailure(server.url, f"certificate refused: {error.verify_message}") from error
    except ssl.SSLError as error:
        raise errors.TlsFailure(server.url, f"no TLS: {_reason(error)}") from error
    except OSError as error:
        raise errors.Unreachable(server.url, _reason(error)) from error


_START_TLS = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"
_START_TLS_AGREED = b"\x0a\x01\x00"  # ENUMERATED success, the first element of the answer (RFC 4511 4.12, 4.14)


def _ask_for_tls(plain: socket.socket, server: DirectoryServer) -> None:
    plain.sendall(_START_TLS)
    if _START_TLS_AGREED not in plain.recv(4096):
        raise errors.TlsFailure(server.url, "the server does not take StartTLS")


def _reason(error: OSError) -> str:
    return getattr(error, "reason", None) or error.strerror or str(error) or type(error).__name__
