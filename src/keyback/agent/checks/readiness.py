"""Who could be reset today, and why not the others: asked of the same code that decides when it matters."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import StringIO

from keyback.agent.checks.rights import Judge
from keyback.agent.forests import Forest
from keyback.directory import (
    Account,
    Connection,
    DirectoryPerson,
    Right,
    minimum_age_ends,
    people,
    read_account,
    read_domain,
)
from keyback.directory.errors import DirectoryError

__all__ = ["Candidate", "as_csv", "candidates", "hides_its_kind", "tally"]

_NEEDED = (Right.RESET_PASSWORD, Right.WRITE_LOCKOUT_TIME)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One person. ``reasons`` against a reset today, none if it would work; ``remarks`` are worth knowing only."""

    forest: str
    user_id: str
    dn: str
    reasons: tuple[str, ...]
    remarks: tuple[str, ...]


def candidates(forest: Forest, judge: Judge, connection: Connection) -> Iterator[Candidate]:
    """Everybody in scope. Costs one search a person, as a reset does. Raises DirectoryError when it cannot go on."""
    domain = read_domain(connection)
    seen: set[bytes] = set()
    for base in forest.config.base_dns:
        # Read on a connection of its own: this one is asked about each person meanwhile.
        with forest.nearest() as paging:
            for person in people(paging, domain, base, filter=forest.config.filter, shape=forest.config.shape):
                if person.guid.bytes not in seen:
                    seen.add(person.guid.bytes)
                    yield _candidate(forest, judge, connection, person)


def _candidate(forest: Forest, judge: Judge, connection: Connection, person: DirectoryPerson) -> Candidate:
    reasons: list[str] = []
    remarks: list[str] = []
    if not person.mails:
        reasons.append("no mail address")
    elif all(mail.rpartition("@")[2].lower() in forest.config.domains for mail in person.mails):
        # Whether that counts is the portal's setting.
        remarks.append("mail only in domains of user IDs")
    try:
        account = read_account(connection, person.guid)
        reasons += _against(forest, judge, connection, account)
        remarks += _remarks(account)
    except DirectoryError as error:
        reasons.append(f"cannot be read: {error.code}")
    return Candidate(forest.name, person.user_id, person.dn, tuple(reasons), tuple(remarks))


def _against(forest: Forest, judge: Judge, connection: Connection, account: Account) -> Iterator[str]:
    now = connection.server_time()
    if hides_its_kind(account):
        yield "cannot be read: userAccountControl"
        return
    if refusal := forest.guard(connection).refusal(account, now):
        yield refusal.reason.replace("_", " ")
        if refusal.protected:
            return
    if connection.root.hints_control is None:
        yield "no policy hints control"
    for right in judge.missing(account):
        if right in _NEEDED:
            yield f"missing {right}"
    ends = minimum_age_ends(account, forest.policies.effective(connection, account))
    if ends and ends > now:
        yield "password changed too recently"


def hides_its_kind(account: Account) -> bool:
    """Whether userAccountControl cannot be read; no account has none. Often inheritance is off on such an account."""
    return not account.uac


def _remarks(account: Account) -> Iterator[str]:
    if account.password_not_required:
        yield "may have an empty password"
    if not account.versions.unicode_pwd:
        yield "never had a password"
    if account.locked_out:
        yield "locked out"
    if account.password_expired or account.must_change:
        yield "password expired"
    if account.never_expires:
        yield "password never expires"


def tally(found: Iterable[Candidate]) -> tuple[int, int, Counter[str], Counter[str]]:
    """How many there are and how many are ready, then how often each reason and each remark occurs."""
    total = ready = 0
    reasons: Counter[str] = Counter()
    remarks: Counter[str] = Counter()
    for one in found:
        total += 1
        ready += not one.reasons
        reasons.update(one.reasons)
        remarks.update(one.remarks)
    return total, ready, reasons, remarks


def as_csv(found: Iterable[Candidate]) -> str:
    """A table for a spreadsheet."""
    text = StringIO()
    table = csv.writer(text, lineterminator="\r\n")  # RFC 4180
    table.writerow(("forest", "user ID", "DN", "ready", "reasons", "remarks"))
    for one in found:
        ready = "no" if one.reasons else "yes"
        cells = (one.forest, one.user_id, one.dn, ready, "; ".join(one.reasons), "; ".join(one.remarks))
        table.writerow(map(_harmless, cells))
    return text.getvalue()


def _harmless(cell: str) -> str:
    """Spreadsheets carry out what begins like a formula, and people may choose their own names (CWE-1236)."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
