"""Whether a password is that of an account, asked carefully.

| Kerberos says   | then                                                                                     |
|-----------------|------------------------------------------------------------------------------------------|
| wrong           | wrong                                                                                    |
| right           | one bind over verified TLS confirms it: nobody proves on port 88 to be the directory     |
| refused         | one bind tells why: outside the hours, disabled, expired, locked out                     |
| nothing         | one bind decides, but not within an hour of a change, while the old password still binds |
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from keyback.directory._link import DirectoryServer
from keyback.directory.accounts import Account
from keyback.directory.errors import Unreachable
from keyback.directory.kerberos import Answer, ask_kerberos
from keyback.directory.writes import BindAnswer, Verdict, verify_bind

__all__ = ["OLD_PASSWORD_BINDS", "verify_password"]

OLD_PASSWORD_BINDS = timedelta(minutes=60)
"""How long after a change the password before it still binds (OldPasswordAllowedPeriod's default)."""


def verify_password(
    server: DirectoryServer, account: Account, password: str, *, now: datetime, before_each_try: Callable[[], None]
) -> BindAnswer:
    """``now``: the directory's time. ``before_each_try`` is called before everything that may count against the
    account as one more failure, and may raise.

    Raises Unreachable where nothing can be said now, and whatever `verify_bind` raises.
    """
    before_each_try()
    said = ask_kerberos(server, account, password)
    if said is Answer.WRONG:
        return BindAnswer(Verdict.WRONG, "52e")
    if said is Answer.SILENT:
        changed = account.password_changed_at
        if changed is not None and now - changed < OLD_PASSWORD_BINDS:
            raise Unreachable(
                server.url, f"port {server.kerberos_port} says nothing, and the password changed within the hour"
            )
        before_each_try()  # what was silent may have counted
    return verify_bind(server, account.dn, password)
