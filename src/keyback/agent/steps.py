"""The steps that a request takes through the agent. The roads made of them are in keyback.agent.operations."""

from __future__ import annotations

import hashlib
import time
from typing import Protocol
from uuid import UUID

from keyback.agent.catalogue import Kind
from keyback.agent.clock import Clock
from keyback.agent.config import Limits
from keyback.agent.events import Events
from keyback.agent.exchange import LinkError, Unreachable
from keyback.agent.exchange import Refused as PortalRefused
from keyback.agent.forests import Forest
from keyback.agent.identity import Identity
from keyback.agent.journal import Journal
from keyback.agent.keys import KeyStore
from keyback.agent.refusals import Refused, from_guard
from keyback.agent.screen import Screen
from keyback.agent.tasks import SELF, Seen, Task, Withdrawn, capped, must_change
from keyback.agent.tries import Tries
from keyback.directory import (
    Connection,
    Reason,
    Refusal,
    change_password,
    minimum_age_ends,
    read_account,
    read_back,
    reset_password,
)
from keyback.directory import errors as directory
from keyback.errors import KeybackError
from keyback.passwords import Code, Profile, check
from keyback.passwords.rules import OF_WORDS
from keyback.protocol.encoding import b64decode
from keyback.protocol.errors import Malformed, Mismatched, Unopenable
from keyback.protocol.limits import CLAIM_LEASE, DIRECTORY_TIMEOUT
from keyback.protocol.messages import (
    Before,
    Envelope,
    Finding,
    Operation,
    Outcome,
    OutcomeReceipt,
    Work,
    WriteGrant,
    WriteIntent,
    parse,
)
from keyback.protocol.outcomes import OutcomeCode, Shortfall, sspr_code
from keyback.protocol.sealing import Sealed, box_info, open_box
from keyback.protocol.signing import verify_envelope

__all__ = ["Portal", "Steps"]


class Portal(Protocol):
    """What of the link a request needs."""

    def ask_to_write(self, request_id: UUID, intent: WriteIntent) -> WriteGrant: ...

    def report(self, outcome: Outcome) -> OutcomeReceipt: ...


_SHORTFALLS = {
    Shortfall.STILL_EXPIRED: (
        Kind.PASSWORD_STAYS_EXPIRED,
        "pwdLastSet stayed 0: the right Unexpire Password is missing",
    ),
    Shortfall.STILL_LOCKED: (Kind.LOCKED_OUT, "the account is still locked out"),
}

_PASSWORDS: dict[Operation, set[str]] = {
    Operation.RESET: {"new"},
    Operation.CHANGE: {"new", "current"},
    Operation.VERIFY: {"current"},
}
_PASSWORD_REASONS = frozenset({Reason.CANNOT_CHANGE, Reason.SMART_CARD_REQUIRED, Reason.NEVER_EXPIRES})
_STATES = _PASSWORD_REASONS | {Reason.DISABLED, Reason.ACCOUNT_EXPIRED}


class Steps:
    """Each step is a method by itself, so that a test can kill the agent between any two. Safe in threads."""

    def __init__(
        self,
        *,
        identity: Identity,
        keys: KeyStore,
        limits: Limits,
        screen: Screen,
        journal: Journal,
        events: Events,
        portal: Portal,
        clock: Clock,
    ) -> None:
        self._identity = identity
        self._keys = keys
        self._limits = limits
        self._screen = screen
        self._journal = journal
        self._events = events
        self._portal = portal
        self._clock = clock

    def verify(self, work: Work) -> Envelope:
        """The envelope, if the people's door signed it for this agent. Raises ProtocolError."""
        raw = b64decode(work.envelope)
        verify_envelope(self._identity.portal_key, raw, b64decode(work.signature))
        envelope = parse(Envelope, raw)
        if envelope.organization_id != self._identity.organization_id:
            raise Mismatched("another organization's request")
        if envelope.forest_id not in self._identity.forests:
            raise Mismatched("a forest that this agent was not onboarded for")
        reference = envelope.boxes.get(self._identity.agent_id)
        if work.box is None and work.kind == "execute" and reference is not None:
            raise Mismatched("the box is missing")
        if work.box is not None:
            if reference is None:
                raise Mismatched("a box that the request does not name")
            if hashlib.sha256(b64decode(work.box)).hexdigest() != reference.sha256:
                raise Mismatched("the box is not the one that the request names")
        if work.kind == "resolve" and work.before is None:
            raise Malformed("before is missing")
        return envelope

    def look(self, task: Task, forest: Forest, connection: Connection) -> Seen:
        """The account, if it may be written. Raises Refused and DirectoryError."""
        account = read_account(connection, task.envelope.object_guid)
        task.account, task.server = account.sam, connection.root.dns_host_name
        now = connection.server_time()
        refusal = forest.guard(connection).refusal(account, now)
        if refusal and refusal.reason not in _forgiven(task):
            raise from_guard(refusal)
        if task.meant is Operation.CHANGE and account.cannot_change:
            raise from_guard(Refusal(Reason.CANNOT_CHANGE))  # no setting helps: the directory would refuse it
        policy = forest.policies.effective(connection, account)
        return Seen(connection, account, policy, forest.policies.lockout(connection, account), now)

    def open_box(self, task: Task) -> Sealed:
        """What was sealed for this agent: the passwords that the operation needs, each of them. Raises Unopenable."""
        found = self._opened(task)
        needed = _PASSWORDS[task.envelope.operation]
        if {name for name in ("new", "current") if getattr(found, name)} != needed:
            raise Unopenable("the sealed password could not be opened")
        return found

    @property
    def profile(self) -> Profile:
        """The agent's own rules for new passwords, beside the directory's."""
        return self._screen.profile

    def _opened(self, task: Task) -> Sealed:
        reference = task.envelope.boxes.get(self._identity.agent_id)
        private = self._keys.private(reference.key) if reference else None
        if reference is None or private is None or task.box is None:
            raise Unopenable("the sealed password could not be opened")
        return open_box(task.box, private, box_info(task.envelope, self._identity.agent_id, reference.key))

    def check(self, task: Task, seen: Seen, passwords: Sealed) -> None:
        """Raises Refused with every rule that the new password breaks and that can be judged before it is sent."""
        password = passwords.new or ""
        findings = [
            Finding(code=one.code, params=dict(one.params)) for one in check(password, seen.account.names, seen.policy)
        ]
        if password == passwords.current and seen.policy.history:
            findings.append(Finding(code=Code.USED_BEFORE))  # and no try of the current one is spent on it
        ends = minimum_age_ends(seen.account, seen.policy)
        # An administrator's temporary password goes without the control that makes the age count.
        if ends and ends > seen.now and not must_change(task, seen.account):
            findings.append(Finding(code=Code.TOO_YOUNG, params={"possible_from": ends.isoformat()}))
        judged = self._judged(task, seen, passwords)
        findings += [one for one in judged if one.code not in OF_WORDS and one not in findings]
        words = [one for one in judged if one.code in OF_WORDS]
        if words and self._screen.mode == "audit":
            if not findings:
                self.tell(Kind.BANNED_PASSWORD_AUDITED, task, f"accepted, as it is only audited: {_codes(words)}")
            words = []
        if findings:
            kinds = [Kind.POLICY, *([Kind.BANNED_PASSWORD] if words else [])]
            broken = findings + words
            raise Refused(OutcomeCode.POLICY, kinds, f"the new password breaks: {_codes(broken)}", broken)
        if words:
            detail = f"{sspr_code(OutcomeCode.BANNED)}: the new password breaks: {_codes(words)}"
            raise Refused(OutcomeCode.BANNED, [Kind.BANNED_PASSWORD], detail, words)

    def _judged(self, task: Task, seen: Seen, passwords: Sealed) -> list[Finding]:
        """What of the organization's own rules is broken. Codes and the rules' figures leave this, nothing else."""
        password, names = passwords.new or "", seen.account.names
        try:
            found = self._screen.judge(password, names, passwords.current)
        except KeybackError as error:
            if self._screen.mode != "audit":
                raise Refused(OutcomeCode.CONFIGURATION, [Kind.BREACHED_UNAVAILABLE], str(error)) from None
            self.tell(Kind.BREACHED_UNAVAILABLE, task, f"accepted, as it is only audited: {error}")
            found = self._screen.judge(password, names, passwords.current, breaches=False)
        return [Finding(code=one.code, params=dict(one.params)) for one in found]

    def journal_before(self, task: Task) -> None:
        """From here on this request is known on disk. Raises Refused when its operation's cap is reached."""
        envelope = task.envelope
        journaled = self._journal.begin(
            envelope.request_id,
            tracking_id=envelope.tracking_id,
            operation=envelope.operation,
            initiator=envelope.initiator,
            fence=task.fence,
            before=task.before,
            limits=self._limits,
            now=self._clock.now(),
            work=task.work if task.before else None,
        )
        if not journaled:
            raise capped(envelope.operation)

    def ask_to_write(self, task: Task, before: Before) -> float:
        """Until when the write may be sent, on the clock of `Clock.elapsed`. Raises Withdrawn."""
        intent = WriteIntent(fence=task.fence, before=before)
        give_up = self._clock.elapsed() + CLAIM_LEASE / 2
        while True:
            asked = self._clock.elapsed()
            try:
                grant = self._portal.ask_to_write(task.request_id, intent)
            except Unreachable as error:
                if self._clock.elapsed() > give_up:
                    raise Withdrawn(f"the portal cannot be asked: {error}") from None
                time.sleep(0.2)
                continue
            except LinkError as error:
                raise Withdrawn(str(error)) from None
            if not grant.granted:
                raise Withdrawn("the portal no longer wants it")
            return asked + grant.remaining_ms / 1000

    def tries(self, seen: Seen) -> Tries:
        """For trying a current password on this account."""
        return Tries(self._journal, self._clock, seen.account, seen.lockout, seen.now)

    def modify(self, task: Task, seen: Seen, passwords: Sealed, send_by: float) -> None:
        """The one write. Raises Refused when it is too late to send, and DirectoryError."""
        if self._clock.elapsed() >= send_by:
            raise Refused(OutcomeCode.NOT_WRITTEN, [], "too late to send; nothing was sent")
        task.sent = True
        new = passwords.new or ""
        if task.envelope.operation is Operation.CHANGE:
            current = passwords.current or ""
            change_password(seen.connection, seen.account.guid, current, new, timeout=DIRECTORY_TIMEOUT)
            return
        reset_password(
            seen.connection,
            seen.account.guid,
            new,
            clear_lockout=task.envelope.flags.unlock,
            must_change=must_change(task, seen.account),
            timeout=DIRECTORY_TIMEOUT,
        )

    def read_back(self, task: Task, seen: Seen) -> None:
        """Looks whether the account is as the write should leave it, and notes what is not."""
        try:
            now = read_back(seen.connection, seen.account.guid)
        except directory.DirectoryError as error:
            task.notes.append(f"accepted, but could not be read back: {error.code}")
            return
        if now.versions.unicode_pwd <= seen.account.versions.unicode_pwd:
            raise Refused(
                OutcomeCode.NOT_WRITTEN, [Kind.DIRECTORY_UNFORESEEN], "the directory said yes, but wrote nothing"
            )
        if task.envelope.flags.must_change and seen.account.never_expires:
            task.notes.append("the password never expires, so that it need not be changed")
        elif now.must_change and not task.envelope.flags.must_change:
            self.fell_short(task, Shortfall.STILL_EXPIRED)
        if now.locked_out and task.envelope.flags.unlock:
            self.fell_short(task, Shortfall.STILL_LOCKED)

    def journal_outcome(self, task: Task, outcome: Outcome) -> None:
        """How it ended, on disk."""
        envelope = task.envelope
        self._journal.end(
            outcome,
            tracking_id=envelope.tracking_id,
            operation=envelope.operation,
            initiator=envelope.initiator,
            now=self._clock.now(),
        )

    def report(self, outcome: Outcome) -> None:
        """Tells the portal. What cannot be told now stands in the journal and is told later. Raises LinkError."""
        try:
            self._portal.report(outcome)
        except PortalRefused as error:
            if error.code != "no_such_request":
                raise

    def tell(self, kind: Kind, task: Task, message: str = "") -> None:
        envelope = task.envelope
        self._events.write(
            kind,
            message,
            tracking_id=envelope.tracking_id,
            operation=envelope.operation.value,
            request=str(envelope.request_id),
            forest=self._identity.forests[envelope.forest_id],
            object=str(envelope.object_guid),
            initiator=envelope.initiator,
            **({"account": task.account, "server": task.server} if task.account else {}),
        )

    def fell_short(self, task: Task, what: Shortfall) -> None:
        """Told in an event, and with the outcome: the person has to know, and an administrator to mend it."""
        kind, text = _SHORTFALLS[what]
        task.shortfalls.append(what)
        task.notes.append(text)
        self.tell(kind, task, text)


def _codes(findings: list[Finding]) -> str:
    return ", ".join(finding.code for finding in findings)


def _forgiven(task: Task) -> frozenset[Reason]:
    """Flags about passwords bind the person, not an administrator; nor do they forbid an unlock, and a password that
    never expires may be changed. A sign-in writes nothing: the directory itself tells of the account's state to whoever
    knows the password."""
    if task.meant is Operation.CHANGE:
        return frozenset({Reason.NEVER_EXPIRES})
    if task.meant is Operation.VERIFY:
        return _STATES
    if task.envelope.initiator != SELF or task.meant is Operation.UNLOCK:
        return _PASSWORD_REASONS
    return frozenset()
