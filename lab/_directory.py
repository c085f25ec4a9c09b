"""A connection to a forest's controller as its Administrator, over LDAPS verified against the forest's authority."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import ldap
import ldap.dn
import ldap.filter
from ldap.controls import RequestControl

from lab._descriptor import Dacl, Entry, sid_text
from lab.errors import ControllerError

_DACL_ONLY = RequestControl("1.2.840.113556.1.4.801", True, b"\x30\x03\x02\x01\x04")
_TREE_DELETE = RequestControl("1.2.840.113556.1.4.805", True, None)

Value = str | int | bytes | Sequence[str] | None


class Directory:
    """Reads and writes as the Administrator; what the controller refuses is a :class:`ControllerError`."""

    def __init__(self, url: str, ca_file: Path, base_dn: str, user: str, password: str) -> None:
        self.base_dn = base_dn
        _shake_hands(url, ca_file)
        self._ldap: Any = open_ldap(url, ca_file)
        _asked(self._ldap.simple_bind_s, user, password)

    def __enter__(self) -> Directory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ldap.unbind_s()

    def search(
        self, base: str, filter_: str = "(objectClass=*)", attributes: Iterable[str] = ("*",), *, scope: str = "sub"
    ) -> list[tuple[str, dict[str, list[bytes]]]]:
        """Entries as (DN, attributes); ``scope`` is ``sub``, ``one`` or ``base``."""
        scopes = {"sub": ldap.SCOPE_SUBTREE, "one": ldap.SCOPE_ONELEVEL, "base": ldap.SCOPE_BASE}
        found = _asked(self._ldap.search_ext_s, base, scopes[scope], filter_, list(attributes))
        return [(dn, values) for dn, values in found if dn is not None]  # referrals have no DN

    def read(self, dn: str, *attributes: str) -> dict[str, list[bytes]]:
        """The attributes of one entry; :class:`ControllerError` when it does not exist."""
        return self.search(dn, attributes=attributes or ("*",), scope="base")[0][1]

    def find(self, account: str) -> str:
        """The DN of the user or group with this sAMAccountName."""
        found = self.search(self.base_dn, f"(sAMAccountName={escape_filter(account)})", ("1.1",))
        if not found:
            raise ControllerError(f"the forest has no account {account!r}")
        return found[0][0]

    def sid(self, dn: str) -> str:
        return sid_text(self.read(dn, "objectSid")["objectSid"][0])

    def exists(self, dn: str) -> bool:
        try:
            self.read(dn, "1.1")
        except ControllerError:
            return False
        return True

    def add(self, dn: str, values: Mapping[str, Value]) -> None:
        rows = [(name, _encoded(value)) for name, value in values.items() if value not in (None, "")]
        _asked(self._ldap.add_s, dn, rows)

    def replace(self, dn: str, values: Mapping[str, Value]) -> None:
        """Replace each attribute; None or "" removes it. One modify."""
        rows = [(ldap.MOD_REPLACE, name, _encoded(value) or None) for name, value in values.items()]
        _asked(self._ldap.modify_s, dn, rows)

    def add_member(self, group: str, member: str) -> None:
        _asked(self._ldap.modify_s, group, [(ldap.MOD_ADD, "member", [member.encode()])])

    def remove_member(self, group: str, member: str) -> None:
        _asked(self._ldap.modify_s, group, [(ldap.MOD_DELETE, "member", [member.encode()])])

    def rename(self, dn: str, rdn: str, parent: str | None = None) -> None:
        """Give the entry a new RDN, and another parent if one is named."""
        _asked(self._ldap.rename_s, dn, rdn, parent)

    def delete(self, dn: str) -> None:
        _asked(self._ldap.delete_ext_s, dn, [_TREE_DELETE])

    def dacl(self, dn: str) -> Dacl:
        found = _asked(
            self._ldap.search_ext_s, dn, ldap.SCOPE_BASE, attrlist=["nTSecurityDescriptor"], serverctrls=[_DACL_ONLY]
        )
        return Dacl.parse(found[0][1]["nTSecurityDescriptor"][0])

    def set_dacl(self, dn: str, dacl: Dacl) -> None:
        change = [(ldap.MOD_REPLACE, "nTSecurityDescriptor", [dacl.pack()])]
        _asked(self._ldap.modify_ext_s, dn, change, serverctrls=[_DACL_ONLY])

    def grant(self, dn: str, *entries: Entry) -> None:
        self.set_dacl(dn, self.dacl(dn).adding(*entries))

    def ungrant(self, dn: str, *entries: Entry) -> None:
        self.set_dacl(dn, self.dacl(dn).removing(*entries))


def open_ldap(url: str, ca_file: Path, timeout: float = 10) -> Any:
    """An unbound python-ldap connection that verifies the controller's certificate.

    ``timeout`` in seconds is that of answers. The handshake has none: libldap with GnuTLS knows no limit there.
    """
    connection = ldap.initialize(url)
    connection.set_option(ldap.OPT_PROTOCOL_VERSION, 3)
    connection.set_option(ldap.OPT_REFERRALS, 0)
    connection.set_option(ldap.OPT_TIMEOUT, timeout)
    connection.set_option(ldap.OPT_X_TLS_CACERTFILE, str(ca_file))
    connection.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND)
    connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
    return connection


def _shake_hands(url: str, ca_file: Path, timeout: float = 10) -> None:
    """Raise :class:`ControllerError` where nobody agrees on TLS in time, since libldap would wait forever."""
    address = url.removeprefix("ldaps://")
    context = ssl.create_default_context(cafile=str(ca_file))
    try:
        with socket.create_connection((address, 636), timeout=timeout) as plain:
            context.wrap_socket(plain, server_hostname=address).close()
    except OSError as error:
        raise ControllerError(f"{url} does not answer: {error}") from None


def escape_filter(text: str) -> str:
    return str(ldap.filter.escape_filter_chars(text))


def escape_rdn(text: str) -> str:
    return str(ldap.dn.escape_dn_chars(text))


def password_value(password: str) -> bytes:
    """The form in which ``unicodePwd`` takes a password."""
    return f'"{password}"'.encode("utf-16-le")


def explain(error: ldap.LDAPError) -> str:
    """One line on what the controller answered."""
    details = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    return f"{details.get('desc', type(error).__name__)} {details.get('info', '')}".strip()


def _asked(call: Any, *arguments: Any, **options: Any) -> Any:
    try:
        return call(*arguments, **options)
    except ldap.LDAPError as error:
        raise ControllerError(explain(error)) from None  # its traceback would show the arguments


def _encoded(value: Value) -> list[bytes]:
    if value is None or value == "":
        return []
    if isinstance(value, bytes):
        return [value]
    if isinstance(value, str | int):
        return [str(value).encode()]
    return [item.encode() for item in value]
