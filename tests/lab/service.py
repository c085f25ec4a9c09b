"""What the service account can do by plain LDAP, with nothing of Keyback's in between."""

from typing import Any

import ldap
from ldap.controls import RequestControl

from lab._directory import open_ldap, password_value
from lab.forest import Forest

HINTS = RequestControl("1.2.840.113556.1.4.2239", True, b"\x30\x03\x02\x01\x01")


class Service:
    """The service account, connected; what the controller refuses is a plain ``ldap.LDAPError``."""

    def __init__(self, forest: Forest) -> None:
        self.forest = forest
        self._ldap: Any = open_ldap(forest.ldaps_url, forest.ca_file)
        self._ldap.simple_bind_s(forest.service_upn, forest.service_password_file.read_text())

    def read(self, dn: str, *names: str) -> dict[str, list[bytes]]:
        values: dict[str, list[bytes]] = self._ldap.search_s(dn, ldap.SCOPE_BASE, attrlist=list(names) or None)[0][1]
        return values

    def dn(self, account: str) -> str:
        found = self._ldap.search_s(self.forest.base_dn, ldap.SCOPE_SUBTREE, f"(sAMAccountName={account})", ["1.1"])
        return str(found[0][0])

    def write(self, account: str, **values: str) -> None:
        changes = [(ldap.MOD_REPLACE, name, [value.encode()]) for name, value in values.items()]
        self._ldap.modify_s(self.dn(account), changes)

    def reset(self, account: str, password: str, *, hints: bool = True) -> None:
        change = [(ldap.MOD_REPLACE, "unicodePwd", [password_value(password)])]
        self._ldap.modify_ext_s(self.dn(account), change, serverctrls=[HINTS] if hints else [])

    def change(self, account: str, old: str, new: str) -> None:
        change = [
            (ldap.MOD_DELETE, "unicodePwd", [password_value(old)]),
            (ldap.MOD_ADD, "unicodePwd", [password_value(new)]),
        ]
        self._ldap.modify_ext_s(self.dn(account), change, serverctrls=[HINTS])
