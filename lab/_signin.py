"""Try to sign in as real clients do: Kerberos by Debian's ``kinit``, and an LDAP bind."""

from __future__ import annotations

import os
import re
import subprocess
from enum import Enum
from typing import Any

import ldap

from lab._directory import explain, open_ldap
from lab.errors import ControllerError, MachineError
from lab.forest import Forest


class SignIn(Enum):
    """What the key distribution centre answered; values are parts of ``kinit``'s messages."""

    OK = ""
    WRONG_PASSWORD = "Preauthentication failed|Password incorrect"
    PASSWORD_EXPIRED = "Password expired|Cannot read password"  # must change, or too old: kinit asks for a new one
    REVOKED = "credentials have been revoked"  # disabled, locked out or expired account
    NO_PASSWORD = "no support for encryption type"
    UNKNOWN = "not found in Kerberos database"


def kinit(forest: Forest, user: str, password: str, controller: str | None = None) -> SignIn:
    """Sign in with Kerberos, as a workstation does; ``user`` is an account name or any UPN. No ticket is kept.

    With ``controller``, only that one is asked.
    """
    environment = os.environ | {
        "KRB5_CONFIG": str(forest.krb5_conf_of(controller) if controller else forest.krb5_conf),
        "KRB5CCNAME": "MEMORY:",
        "LC_ALL": "C.UTF-8",
    }
    enterprise = ["-E"] if "@" in user else []
    try:
        done = subprocess.run(
            ["kinit", *enterprise, user],
            input=f"{password}\n",
            capture_output=True,
            text=True,
            env=environment,
            timeout=30,
            check=False,
        )
    except FileNotFoundError:
        raise MachineError("kinit is missing (Debian package krb5-user)") from None
    if done.returncode == 0:
        return SignIn.OK
    for answer in SignIn:
        if answer.value and re.search(answer.value, done.stderr):
            return answer
    raise ControllerError(f"kinit: {done.stderr.strip()}")


def bind(forest: Forest, user: str, password: str, controller: str | None = None) -> str:
    """Sign in with an LDAP simple bind over LDAPS; "" for success, else the ``data`` code, as ``532``.

    For a while after a reset Samba and Windows accept the old password here: only :func:`kinit` proves it dead.
    """
    url = f"ldaps://{forest.controller(controller).ip}"
    connection: Any = open_ldap(url, forest.ca_file)
    try:
        connection.simple_bind_s(user if "@" in user or "=" in user else f"{user}@{forest.dns_domain}", password)
    except ldap.INVALID_CREDENTIALS as error:
        if found := re.search(r"data ([0-9a-f]+)", explain(error)):
            return found[1]
        raise ControllerError(explain(error)) from None
    except ldap.LDAPError as error:
        raise ControllerError(explain(error)) from None
    finally:
        connection.unbind_s()
    return ""
