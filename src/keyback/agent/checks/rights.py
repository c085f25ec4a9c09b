"""Which rights the service account has on people, judged as the directory will (see `keyback.directory.permissions`).

Reads nothing but access lists. What is missing comes with the lines that grant it, where it has to be granted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from keyback.agent.checks import repairs
from keyback.agent.checks.findings import Finding, Section, Status
from keyback.directory import Account, Connection, Right, read_domain
from keyback.directory.accounts import read_dacl
from keyback.directory.descriptors import Ace, Dacl
from keyback.directory.permissions import Verdict, excess, grant_place, judge, source_of
from keyback.directory.protection import is_below

__all__ = ["ON_PEOPLE", "Judge"]

ON_PEOPLE = (Right.RESET_PASSWORD, Right.CHANGE_PASSWORD, Right.WRITE_LOCKOUT_TIME, Right.WRITE_PWD_LAST_SET)
_EXAMPLES = 3

# What each is for, as far as an administrator notices.
_WITHOUT = {
    Right.RESET_PASSWORD: "nothing can be reset",
    Right.CHANGE_PASSWORD: "nobody can change a password that they know",
    Right.WRITE_LOCKOUT_TIME: "a reset leaves a locked account locked",
    Right.WRITE_PWD_LAST_SET: "an administrator's reset cannot ask for a change at the next sign-in",
    Right.UNEXPIRE_PASSWORD: "a new password is expired at once",
}


@dataclass
class _Lack:
    people: int = 0
    examples: list[str] = field(default_factory=list)
    repair: tuple[str, ...] = ()


class Judge:
    """Judges account after account on one connection, for one forest's ``bases``."""

    def __init__(self, connection: Connection, bases: tuple[str, ...]) -> None:
        self._connection = connection
        self._bases = bases
        self._token = frozenset(connection.root.own_sids)
        self._known: dict[str, Dacl | None] = {}
        self._lacks: dict[tuple[Right, str], _Lack] = {}
        self._judged = self._unreadable = 0
        own = connection.search(f"<SID={connection.root.own_sid}>", ["sAMAccountName"])[0]
        name = f"{read_domain(connection).netbios_name}\\{own.text('sAMAccountName')}"
        self.trustee = repairs.Trustee(name, connection.root.own_sid)

    def missing(self, account: Account) -> tuple[Right, ...]:
        """The rights that lack on ``account``, remembered for `everybody`. None where its list cannot be read.

        Not to be asked about protected accounts, which are to lack them. *User cannot change password* is meant too.
        """
        self._judged += 1
        if account.dacl is None:
            self._unreadable += 1
            return ()
        lacking = [
            one
            for one in self._verdicts(account.dacl, account.sid)
            if not one.granted and not (one.right is Right.CHANGE_PASSWORD and account.cannot_change)
        ]
        for verdict in lacking:
            cause, repair = self._cause(account, verdict)
            lack = self._lacks.setdefault((verdict.right, cause), _Lack(repair=repair))
            lack.people += 1
            if len(lack.examples) < _EXAMPLES:
                lack.examples.append(account.dn)
        return tuple(verdict.right for verdict in lacking)

    def person(self, account: Account, *, protected: bool) -> Section:
        """Every right on one person, and which entry decides. ``protected``: they are to lack them, so no advice."""
        title = f"Rights of {self.trustee.name} on {account.dn}"
        if account.dacl is None:
            return Section(title, (_unreadable(account.dn), *self._on_domain()))
        found = [self._on_person(account, verdict) for verdict in self._verdicts(account.dacl, account.sid)]
        if protected:
            found = [replace(one, status=Status.NOTE, repair=()) for one in found]
        return Section(title, (*found, *self._on_domain()))

    def everybody(self) -> Section:
        """The rights on all whom `missing` was asked about."""
        found = []
        for right in ON_PEOPLE:
            lacks = {cause: lack for (lacked, cause), lack in self._lacks.items() if lacked is right}
            if not lacks:
                found.append(Finding(_code(right), Status.OK, f"{right}: on all {self._judged} people"))
            for cause, lack in lacks.items():
                text = f"{right}: missing on {lack.people} of {self._judged} people ({cause}): {_WITHOUT[right]}. "
                text += "; ".join(lack.examples) + ("; …" if lack.people > len(lack.examples) else "")
                found.append(Finding(_code(right), _gravity(right), text, lack.repair))
        if self._unreadable:
            found.append(_unreadable(f"{self._unreadable} people"))
        return Section(f"Rights of {self.trustee.name}", (*found, *self._on_domain(), *self._excess()))

    def _verdicts(self, dacl: Dacl, own: str) -> Iterable[Verdict]:
        return (judge(dacl, own, self._token, right) for right in ON_PEOPLE)

    def _on_person(self, account: Account, verdict: Verdict) -> Finding:
        right, entry = verdict.right, verdict.entry
        if verdict.granted and entry is not None:
            return Finding(_code(right), Status.OK, f"{right}: allowed{self._by(entry)}")
        cause, repair = self._cause(account, verdict)
        return Finding(_code(right), _gravity(right), f"{right}: missing ({cause}): {_WITHOUT[right]}", repair)

    def _cause(self, account: Account, verdict: Verdict) -> tuple[str, tuple[str, ...]]:
        entry, right = verdict.entry, verdict.right
        if entry is not None and entry.inherited:
            source = source_of(self._connection, account.dn, entry, self._known)
            if source is None:
                return f"denied{self._by(entry)}", (f"Remove the denial above {account.dn}, wherever it stands.",)
            return f"denied{self._by(entry)} from {source[0]}", repairs.remove_denial(self.trustee, *source)
        if entry is not None:
            return f"denied{self._by(entry)}", repairs.remove_denial(self.trustee, account.dn, entry)
        base = next((base for base in self._bases if is_below(account.dn, base)), None)
        if base is None:
            return "outside base_dns", ()
        place = grant_place(self._connection, account.dn, base, self._known)
        if place == account.dn:
            lines = (*repairs.inherit_again(place), *repairs.grant_here(self.trustee, place, right))
            return "inheritance is off, and nothing grants it", lines
        off = "" if place == base else f" below {place}, which inherits nothing"
        return f"nothing grants it{off}", repairs.grant_below(self.trustee, place, right)

    def _by(self, entry: Ace) -> str:
        whose = "the account itself" if entry.sid == self.trustee.sid else self._name(entry.sid)
        return f" to {whose}, {'inherited' if entry.inherited else 'on the object itself'}"

    def _name(self, sid: str) -> str:
        well_known = {"S-1-1-0": "Everyone", "S-1-5-10": "SELF", "S-1-5-11": "Authenticated Users"}
        if sid in well_known or not sid.startswith("S-1-5-21-"):
            return well_known.get(sid, sid)
        found = self._connection.search(f"<SID={sid}>", ["sAMAccountName"])
        return found[0].text("sAMAccountName") if found else sid

    def _on_domain(self) -> Iterator[Finding]:
        domain, right = self._connection.root.default_naming_context, Right.UNEXPIRE_PASSWORD
        dacl = read_dacl(self._connection, domain)
        if dacl is None:
            yield _unreadable(domain)
            return
        verdict = judge(dacl, "", self._token, right)
        if verdict.granted:
            yield Finding(_code(right), Status.OK, f"{right}: allowed on {domain}")
        elif verdict.entry is not None:
            repair = repairs.remove_denial(self.trustee, domain, verdict.entry)
            text = f"{right}: denied on {domain}{self._by(verdict.entry)}: {_WITHOUT[right]}"
            yield Finding(_code(right), _gravity(right), text, repair)
        else:
            repair = repairs.grant_here(self.trustee, domain, right)
            text = f"{right}: nothing grants it on {domain}: {_WITHOUT[right]}"
            yield Finding(_code(right), _gravity(right), text, repair)

    def _excess(self) -> Iterator[Finding]:
        found = excess(self._connection, self._bases)
        for text in found:
            yield Finding("rights.excess", Status.WARNING, f"More than it needs: {text}", ("Take it away.",))
        if not found:
            yield Finding("rights.excess", Status.OK, "No more than it needs: no privileged group, no full control")


def _code(right: Right) -> str:
    return f"rights.{right.name.lower()}"


def _gravity(right: Right) -> Status:
    needed = right in (Right.RESET_PASSWORD, Right.WRITE_LOCKOUT_TIME, Right.UNEXPIRE_PASSWORD)
    return Status.FAILED if needed else Status.WARNING


def _unreadable(whose: str) -> Finding:
    text = f"The access list of {whose} cannot be read, so nothing is known of the rights there"
    return Finding("rights.unreadable", Status.WARNING, text, ("Let the account read permissions there.",))
