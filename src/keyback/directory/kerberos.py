"""One Kerberos sign-in with a password, by MIT's kinit: what tells a password from the one before it.

For an hour after a change LDAP takes the old password as well ("OldPasswordAllowedPeriod"); Kerberos never does. Its
answers come from a port on which no server proves itself, so that *right* is worth something only together with a bind
over verified TLS (`keyback.directory.signin`).
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import unicodedata
from enum import StrEnum

import ldap.dn

from keyback.directory._link import DirectoryServer
from keyback.directory.accounts import Account
from keyback.directory.errors import ConfigurationProblem

__all__ = ["Answer", "ask_kerberos"]

_CONFIGURATION = """\
[libdefaults]
 default_realm = {realm}
 dns_lookup_kdc = false
 dns_lookup_realm = false
 udp_preference_limit = 1
[realms]
 {realm} = {{
  kdc = {host}:{port}
 }}
"""


class Answer(StrEnum):
    """``right``: proved, even where a new password is asked for. ``refused``: the account may not sign in, and nothing
    is said of the password. ``silent``: not reached, or not understood."""

    RIGHT = "right"
    WRONG = "wrong"
    REFUSED = "refused"
    SILENT = "silent"


# kinit's own sentences, which MIT has kept for twenty years. It asks for a new password only after it got a ticket for
# changing it with the one that it was given. Whatever is not here says nothing.
_SENTENCES = (
    (Answer.WRONG, re.compile("Preauthentication failed|Password incorrect|Decrypt integrity check failed")),
    (Answer.RIGHT, re.compile(r"Password expired\.  You must change it now|Cannot read password")),
    (Answer.REFUSED, re.compile("credentials have been revoked|KDC policy rejects|entry in database has expired")),
)


def ask_kerberos(server: DirectoryServer, account: Account, password: str) -> Answer:
    """What the key distribution centre on ``server`` says. No ticket is kept; a wrong password counts.

    Raises ConfigurationProblem where kinit is not installed.
    """
    if any(unicodedata.category(character) == "Cc" for character in password):
        return Answer.SILENT  # kinit reads a line, and would take a second one for a new password
    host, _ = server.address
    realm = _realm(account.dn)
    with tempfile.NamedTemporaryFile("w", prefix="keyback-krb5-") as file:
        file.write(_CONFIGURATION.format(realm=realm, host=_bracketed(host), port=server.kerberos_port))
        file.flush()
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C",
            "KRB5_CONFIG": file.name,
            "KRB5CCNAME": "MEMORY:",
        }
        try:
            done = subprocess.run(
                ["kinit", "--", f"{_escaped(account.sam)}@{realm}"],
                input=f"{password}\n".encode(),
                capture_output=True,
                env=environment,
                timeout=server.network_timeout,
                check=False,
            )
        except FileNotFoundError:
            raise ConfigurationProblem("kinit is missing: install the package krb5-user") from None
        except subprocess.TimeoutExpired:
            return Answer.SILENT
    if done.returncode == 0:
        return Answer.RIGHT
    said = done.stderr.decode("utf-8", "replace")
    return next((answer for answer, sentence in _SENTENCES if sentence.search(said)), Answer.SILENT)


def _realm(dn: str) -> str:
    parts = [value for part in ldap.dn.str2dn(dn) for kind, value, _ in part if kind.upper() == "DC"]
    return ".".join(parts).upper()


def _escaped(name: str) -> str:
    """A principal's name in which the separators stand for themselves."""
    return re.sub(r"([@/\\])", r"\\\1", name)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
