"""Reaching a domain controller: TCP, encryption, bind, each within a time limit.

    ldaps://    TLS, then a simple bind, or with a keytab GSSAPI bound to this very channel (RFC 5929,
                tls-server-end-point)
    ldap://     StartTLS, then a simple bind; or with a keytab GSSAPI that signs and seals, without TLS

libldap alone cannot be trusted with that. Built with GnuTLS, as Debian builds it, its TLS handshake has no time limit
(with LDAP_OPT_NETWORK_TIMEOUT it even turns in circles at full speed, measured with 2.5.13 against a stopped server),
and it calls every refused certificate "unknown error code". So the way is tried first with Python's own TLS, which
says what is wrong, and libldap then connects in a thread that nobody waits for longer than the limit.
"""

from __future__ import annotations

import hashlib
import os
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
import ldap.sasl

from keyback.directory import errors
from keyback.directory._tls import tls_problem

__all__ = ["DirectoryServer", "hang_up", "shake_hands", "sign_in", "sign_in_as_service"]

_PORTS = {"ldaps": 636, "ldap": 389}
_SEALED = 128
"""Bits of the security layer, below which Active Directory takes no password."""

_kerberos = threading.Lock()  # its settings are those of the whole process


@dataclass(frozen=True, slots=True)
class DirectoryServer:
    """One domain controller and the service account's credentials.

    ``url`` is ``ldaps://host[:port]``, or ``ldap://host[:port]`` for StartTLS; there is no unencrypted way.
    ``ca_file`` holds the certificate authorities (PEM). With a ``keytab`` the service account signs in with Kerberos
    and has no password here; on ``ldap://`` GSSAPI then encrypts, and ``ca_file`` may be None. Time limits are in
    seconds: ``network_timeout`` for reaching the server and agreeing on TLS, ``operation_timeout`` for an answer.
    ``kerberos_port``: of the key distribution centre on the same host.
    Raises ValueError for another scheme, and for an empty name or password (which would bind anonymously).
    """

    url: str
    ca_file: Path | None
    bind_dn: str
    password: str = field(repr=False)
    keytab: Path | None = None
    network_timeout: float = 5.0
    operation_timeout: float = 10.0
    kerberos_port: int = 88

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/"):
            raise ValueError(f"{self.url}: give ldaps://host or ldap://host")
        if self.keytab is None and (not self.bind_dn or not self.password):
            raise ValueError("the service account needs a name and a password")
        if self.ca_file is None and not self.seals:
            raise ValueError("a file of certificate authorities is needed")

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or _PORTS[parts.scheme]

    @property
    def starts_tls(self) -> bool:
        """Whether encryption is agreed upon with StartTLS, rather than from the first byte on."""
        return self.url.startswith("ldap:")

    @property
    def seals(self) -> bool:
        """Whether GSSAPI encrypts, in place of TLS."""
        return self.starts_tls and self.keytab is not None


def sign_in(server: DirectoryServer, name: str, password: str) -> Any:
    """A python-ldap object that speaks TLS with the verified server and is bound as ``name``.

    Raises ValueError for an empty name or password, ldap.INVALID_CREDENTIALS as it is, and otherwise DirectoryError:
    Unreachable, TlsFailure, ConfigurationProblem.
    """
    if not name or not password:
        raise ValueError("a bind without a name or a password would be anonymous")
    shake_hands(server)
    return _within(_limit(server), server, lambda: _open(server, lambda link: _simple(link, server, name, password)))


def sign_in_as_service(server: DirectoryServer) -> Any:
    """The same for the service account, by password or by keytab. Raises BindRefused where it is refused."""
    if server.keytab is None:
        try:
            return sign_in(server, server.bind_dn, server.password)
        except ldap.INVALID_CREDENTIALS as error:
            raise errors.translate(error, server.url) from error
    if server.seals:
        _reach(server)
    else:
        shake_hands(server)
    return _within(_limit(server), server, lambda: _open(server, lambda link: _gssapi(link, server)))


def _limit(server: DirectoryServer) -> float:
    return server.network_timeout + server.operation_timeout


def _reach(server: DirectoryServer) -> None:
    try:
        socket.create_connection(server.address, timeout=server.network_timeout).close()
    except OSError as error:
        raise errors.Unreachable(server.url, _reason(error)) from error


def hang_up(link: Any) -> None:
    """Close what `sign_in` opened."""
    with suppress(ldap.LDAPError):
        link.unbind_ext()


def _simple(link: Any, server: DirectoryServer, name: str, password: str) -> None:
    if server.starts_tls:
        link.start_tls_s()
    link.result4(link.simple_bind(name, password), ldap.MSG_ALL, server.operation_timeout)


def _gssapi(link: Any, server: DirectoryServer) -> None:
    """The host's name is taken as it is written: whoever can forge reverse DNS must not choose the other end."""
    keytab = str(server.keytab)
    link.set_option(ldap.OPT_X_SASL_NOCANON, 1)
    # Within TLS a second layer is refused by Windows; without TLS it is what encrypts.
    link.set_option(ldap.OPT_X_SASL_SSF_MIN, _SEALED if server.seals else 0)
    link.set_option(ldap.OPT_X_SASL_SSF_MAX, 256 if server.seals else 0)
    with _kerberos:
        os.environ["KRB5_CLIENT_KTNAME"] = f"FILE:{keytab}"
        os.environ["KRB5CCNAME"] = f"MEMORY:keyback-{hashlib.sha256(keytab.encode()).hexdigest()[:16]}"
        try:
            link.sasl_interactive_bind_s("", ldap.sasl.gssapi())
        except (ldap.LOCAL_ERROR, ldap.INVALID_CREDENTIALS, ldap.STRONG_AUTH_REQUIRED) as error:
            raise _kerberos_problem(error, server) from error


def _kerberos_problem(error: ldap.LDAPError, server: DirectoryServer) -> errors.DirectoryError:
    text = str((error.args[0] if error.args else {}).get("info") or error)
    if "Cannot contact any KDC" in text or "Cannot find KDC" in text:
        return errors.Unreachable(server.url, f"Kerberos: no key distribution centre can be reached ({text})")
    return errors.BindRefused(f"Kerberos with {server.keytab}: {text}", data=None)


def _open(server: DirectoryServer, bind: Callable[[Any], None]) -> Any:
    link = ldap.initialize(server.url)
    link.protocol_version = ldap.VERSION3
    link.set_option(ldap.OPT_REFERRALS, 0)
    link.set_option(ldap.OPT_TIMEOUT, server.operation_timeout)
    link.set_option(ldap.OPT_X_KEEPALIVE_IDLE, 60)
    link.set_option(ldap.OPT_X_KEEPALIVE_PROBES, 3)
    link.set_option(ldap.OPT_X_KEEPALIVE_INTERVAL, 10)
    if server.ca_file is not None:
        link.set_option(ldap.OPT_X_TLS_CACERTFILE, str(server.ca_file))
        link.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND)
        link.set_option(ldap.OPT_X_TLS_NEWCTX, 0)  # last: it makes the context from the options before it
    try:
        bind(link)
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
    if server.ca_file is None:
        raise errors.TlsFailure(server.url, "no file of certificate authorities (ca_file) is configured")
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies chain and host name
        context.minimum_version = ssl.TLSVersion.TLSv1_2
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
    except ssl.SSLError as error:
        raise errors.TlsFailure(server.url, tls_problem(error, str(server.ca_file))) from error
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
