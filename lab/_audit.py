"""The controller's own record of password writes: an independent witness for tests."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from lab.forest import Forest


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One try to write a password. ``by`` is the SID of who tried; ``remote`` e.g. ``ipv4:127.0.0.1:45446``."""

    time: datetime
    action: Literal["Reset", "Change"]
    dn: str
    account: str
    by: str
    by_service: bool
    remote: str
    status: str
    status_code: int

    @property
    def succeeded(self) -> bool:
        return self.status_code == 0


def audit(
    forest: Forest, *, account: str | None = None, since: datetime | None = None, controller: str | None = None
) -> list[AuditEvent]:
    """What the controller has recorded since it was brought up, oldest first.

    ``account`` is empty for accounts that have been deleted. The controller must answer, to tell who is who.
    """
    log = forest.data_of(forest.controller(controller)) / "log/passwords.json"
    rows = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    changes = [(row["timestamp"], row["passwordChange"]) for row in rows if row["type"] == "passwordChange"]
    with forest.administrator(controller) as directory:
        service = directory.sid(forest.service_dn)
        users = directory.search(directory.base_dn, "(objectClass=user)", ("sAMAccountName",))
    accounts = {dn.lower(): values["sAMAccountName"][0].decode() for dn, values in users}
    events = [
        AuditEvent(
            time=datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S.%f%z"),
            action=change["action"],
            dn=change["dn"],
            account=accounts.get(change["dn"].lower(), ""),
            by=change["userSid"],
            by_service=change["userSid"] == service,
            remote=change["remoteAddress"],
            status=change["status"],
            status_code=change["statusCode"],
        )
        for stamp, change in changes
    ]
    return [event for event in events if account in (None, event.account) and (since is None or event.time >= since)]
