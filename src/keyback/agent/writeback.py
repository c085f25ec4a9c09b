"""The road of one request through the agent, step by step.

    verify → (31001) → look → open_box → check → journal_before with ask_to_write → modify → read_back
           → (31002 or why not) → journal_outcome with report

A password is written once or never: before it is sent the journal and the portal know of it, and whatever happens from
then on is found out by looking (`keyback.agent.resolve`), never by writing again.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from keyback.agent.catalogue import Kind
from keyback.agent.clock import Clock
from keyback.agent.config import Limits
from keyback.agent.events import Events
from keyback.agent.exchange import LinkError
from keyback.agent.forests import Forest
from keyback.agent.identity import Identity
from keyback.agent.journal import Entry, Journal
from keyback.agent.keys import KeyStore
from keyback.agent.operations import Operations, stale
from keyback.agent.refusals import Refused, from_directory
from keyback.agent.resolve import Question, find_out
from keyback.agent.screen import Screen
from keyback.agent.steps import Portal, Steps
from keyback.agent.switch import State, Switch
from keyback.agent.tasks import Task, Withdrawn, capped, ended, operation_events
from keyback.directory import errors as directory
from keyback.directory import read_account
from keyback.protocol.encoding import b64decode
from keyback.protocol.errors import ProtocolError, Unopenable
from keyback.protocol.limits import MAX_WORK_PER_POLL
from keyback.protocol.messages import (
    Before,
    Envelope,
    Operation,
    Outcome,
    Work,
    parse,
)
from keyback.protocol.outcomes import SUCCESSES, OutcomeCode

__all__ = ["Counts", "Writeback", "where"]


WITHDRAWN_PAUSE = 0.5
"""Seconds: the portal may offer it again at once, and would go round in circles."""


LOOK_AGAIN_AFTER = timedelta(minutes=6)
"""The portal asks for five minutes."""

LOOK_AGAIN_UNTIL = timedelta(days=2)


@dataclass(slots=True)
class Counts:
    """Since the start of this process."""

    done: int = 0
    refused: int = 0
    unresolved: int = 0


class Writeback:
    """Carries out requests; each in a thread of its caller."""

    def __init__(
        self,
        *,
        identity: Identity,
        keys: KeyStore,
        forests: Mapping[str, Forest],
        switch: Switch,
        limits: Limits,
        screen: Screen,
        journal: Journal,
        events: Events,
        portal: Portal,
        clock: Clock,
    ) -> None:
        self._steps = Steps(
            identity=identity,
            keys=keys,
            limits=limits,
            screen=screen,
            journal=journal,
            events=events,
            portal=portal,
            clock=clock,
        )
        self._identity = identity
        self._forests = forests
        self._switch = switch
        self._limits = limits
        self._journal = journal
        self._events = events
        self._portal = portal
        self._clock = clock
        self._under_way: set[UUID] = set()
        # For what is waited for beside something else: at most one such wait for each request.
        self._beside = ThreadPoolExecutor(MAX_WORK_PER_POLL, "beside")
        self._elsewhere = ThreadPoolExecutor(2, "elsewhere")
        self._lock = threading.Lock()
        self._operations = Operations(self._steps, self._beside, clock)
        self.counts = Counts()

    def carry_out(self, work: Work, *, unasked: bool = False) -> None:
        """One piece of work, to its reported end. Never raises for what the portal or the directory did.

        ``unasked``: to resolve, and not given by the portal just now, which is told certainties only.
        """
        received = self._clock.elapsed()
        try:
            envelope = self._steps.verify(work)
        except ProtocolError as error:
            self._refuse_unverified(work, error)
            return
        if not self._begin(envelope.request_id):
            return  # the same request again, while this process is at it
        try:
            box = None if work.box is None else b64decode(work.box)
            task = Task(envelope, work, work.fence, box, received + work.remaining_ms / 1000, work.before)
            entry = self._journal.entry(envelope.request_id)
            if entry and entry.outcome:
                if entry.reported:
                    self._replayed(envelope, "a request that has ended, as the portal knows, was sent again")
                self._say_again(task, entry.outcome)
            elif work.kind == "resolve":
                self._resolve(task, unasked=unasked)
            elif entry is None or work.fence > entry.fence:
                self._execute(task, entry)
            else:
                self._replayed(envelope, "a request that is under way was sent again")
        finally:
            with self._lock:
                self._under_way.discard(envelope.request_id)

    def _execute(self, task: Task, entry: Entry | None) -> None:
        start, success, failure = operation_events(task.meant, task.envelope.initiator)
        is_inspection = task.envelope.operation is Operation.INSPECT
        if not is_inspection:
            self._steps.tell(start, task)
        try:
            outcome = self._guarded(task, entry)
        except Withdrawn as reason:
            self._steps.tell(Kind.WITHDRAWN, task, f"Nothing was sent: {reason}.")
            time.sleep(WITHDRAWN_PAUSE)
            return
        except Refused as refused:
            if is_inspection:
                self._steps.tell(start, task)
            for kind in refused.kinds:
                self._steps.tell(kind, task, f"{kind.value.meaning} {refused.detail}")
            self._steps.tell(failure, task, refused.detail)
            self.counts.refused += 1
            self._end(task, ended(task, refused.code, detail=refused.detail, findings=refused.findings))
            return
        if outcome.code is OutcomeCode.UNKNOWN:
            self._unsure(task, outcome)
            return
        if not is_inspection:
            self._steps.tell(success if outcome.code in SUCCESSES else failure, task, outcome.detail)
        self.counts.done += 1
        self._end(task, outcome)
        if outcome.code is OutcomeCode.DONE and _unlocks(task.envelope):
            self._elsewhere.submit(self._unlock_elsewhere, task)

    def _unlock_elsewhere(self, task: Task) -> None:
        forest = self._forests.get(self._identity.forests[task.envelope.forest_id])
        if forest is None:
            return
        for server in forest.unlock_elsewhere(task.envelope.object_guid, task.server):
            self._steps.tell(Kind.UNLOCKED_ELSEWHERE, task, f"The lock-out was cleared on {server} too.")

    def _guarded(self, task: Task, entry: Entry | None) -> Outcome:
        """The operation's outcome. Raises Refused and Withdrawn, and nothing else."""
        try:
            forest = self._allowed(task)
            if entry and entry.before:
                # Claimed before, and journaled, but not granted as far as the portal knows. Trust the account instead.
                self._still_as(entry.before, forest)
            return self._operations.carry_out(task, forest)
        except Unopenable as error:
            raise Refused(OutcomeCode.UNOPENABLE, [Kind.UNOPENABLE], str(error)) from None
        except directory.DirectoryError as error:
            raise from_directory(error) from None
        except (Refused, Withdrawn):
            raise
        except Exception as error:
            # The text of the exception is left out: nobody knows what it quotes.
            place = where(error)
            if task.sent:
                return ended(task, OutcomeCode.UNKNOWN, detail=place)
            raise Refused(OutcomeCode.UNFORESEEN, [Kind.UNKNOWN_ERROR], place) from None

    def _allowed(self, task: Task) -> Forest:
        operation = task.envelope.operation
        if operation not in self._limits.operations:
            raise Refused(OutcomeCode.NOT_ALLOWED, [Kind.NOT_ALLOWED], f"{operation} is not allowed on this agent")
        if operation in self._journal.stopped():
            raise capped(operation)
        forest = self._forests.get(self._identity.forests[task.envelope.forest_id])
        if forest is None:
            name = self._identity.forests[task.envelope.forest_id]
            raise Refused(
                OutcomeCode.CONFIGURATION,
                [Kind.FOREST_UNKNOWN, Kind.DIRECTORY_CONFIGURATION],
                f"{name} is not in this agent's file",
            )
        if (state := self._switch.of(forest.name)) is not State.ON:
            raise Refused(
                OutcomeCode.CONFIGURATION,
                [Kind.FOREST_UNKNOWN, Kind.DIRECTORY_CONFIGURATION],
                f"writeback of {forest.name} is {state.replace('_', ' ')}",
            )
        if task.envelope.ambiguous:
            raise Refused(OutcomeCode.AMBIGUOUS, [Kind.AMBIGUOUS], "'keyback agent sync show' names the other account")
        return forest

    def _resolve(self, task: Task, *, unasked: bool) -> None:
        """Finds out what became of a write, of this agent before it died or of another one."""
        _, success, failure = operation_events(task.envelope.operation, task.envelope.initiator)
        forest = self._forests.get(self._identity.forests[task.envelope.forest_id])
        before = task.before
        if before is None or forest is None or before.object_guid != task.envelope.object_guid:
            self._events.write(
                Kind.INVALID_REQUEST, "cannot be resolved by this agent", tracking_id=task.envelope.tracking_id
            )
            return
        try:
            password = self._steps.open_box(task).new or None
        except Unopenable:
            password = None
        outcome = self._operations.found(task, find_out(forest, Question(task.envelope, before, password)))
        if outcome.code is OutcomeCode.UNKNOWN:
            if not unasked:
                self._unsure(task, outcome)
            return
        self._steps.tell(Kind.RESOLVED, task, f"{outcome.code}: {outcome.detail}")
        kind = success if outcome.code in SUCCESSES else failure
        if not self._events.has(kind, task.envelope.tracking_id, task.request_id):
            self._steps.tell(kind, task, outcome.detail)
        self.counts.done += 1
        self._end(task, outcome)

    def catch_up(self) -> bool:
        """Tells the portal every journaled end that it does not know, and the log where a crash came in between.

        False when some are left, because the portal cannot be reached.
        """
        for entry in self._journal.unreported():
            if entry.outcome is None or entry.outcome.request_id in self._under_way:
                continue
            self._tell_again(entry, entry.outcome)
            try:
                self._steps.report(entry.outcome)
            except LinkError:
                return False
            self._journal.reported(entry.outcome.request_id)
        return True

    def look_again(self, now: datetime) -> None:
        """Goes on asking what became of writes after the portal has given up: a controller may be away for hours, and
        a certainty corrects the story however late it comes."""
        for work in self._journal.unended(now - LOOK_AGAIN_UNTIL, now - LOOK_AGAIN_AFTER):
            self.carry_out(work, unasked=True)

    # --- small parts

    def _tell_again(self, entry: Entry, outcome: Outcome) -> None:
        _, success, failure = operation_events(entry.operation, entry.initiator)
        kind = success if outcome.code in SUCCESSES else failure
        quiet = entry.operation is Operation.INSPECT and kind is success
        if not quiet and not self._events.has(kind, entry.tracking_id, outcome.request_id):
            self._events.write(
                kind,
                outcome.detail,
                tracking_id=entry.tracking_id,
                operation=entry.operation.value,
                request=str(outcome.request_id),
                initiator=entry.initiator,
            )

    def _begin(self, request_id: UUID) -> bool:
        with self._lock:
            if request_id in self._under_way:
                return False
            self._under_way.add(request_id)
            return True

    def _refuse_unverified(self, work: Work, error: ProtocolError) -> None:
        """A request that proves nothing: nothing of it is believed, it is only answered so that nobody waits for it."""
        try:
            claimed = parse(Envelope, b64decode(work.envelope))
        except ProtocolError:
            self._events.write(Kind.INVALID_REQUEST, f"{error.code}: {error}")
            return
        self._events.write(
            Kind.INVALID_REQUEST,
            f"{error.code}: {error}",
            tracking_id=claimed.tracking_id,
            request=str(claimed.request_id),
        )
        self.counts.refused += 1
        with self._lock:
            genuine_one_under_way = claimed.request_id in self._under_way
        if genuine_one_under_way or self._journal.entry(claimed.request_id):
            return  # an outcome for a forgery must not end the real request of that number
        outcome = Outcome(
            request_id=claimed.request_id, fence=work.fence, code=OutcomeCode.INVALID_REQUEST, detail=error.code
        )
        try:
            self._portal.report(outcome)
        except LinkError:
            return  # its claim runs out by itself

    def _replayed(self, envelope: Envelope, what: str) -> None:
        self._events.write(
            Kind.INVALID_REQUEST, what, tracking_id=envelope.tracking_id, request=str(envelope.request_id)
        )

    def _say_again(self, task: Task, outcome: Outcome) -> None:
        """It has ended already, but the portal does not know: under the fence of this claim it will listen."""
        self._end(task, outcome.model_copy(update={"fence": task.fence}))

    def _end(self, task: Task, outcome: Outcome) -> None:
        """The portal is told while the disk is waited for: whichever of the two survives a crash tells the other."""
        journaled = self._beside.submit(self._steps.journal_outcome, task, outcome)
        try:
            self._steps.report(outcome)
        except LinkError as error:
            journaled.result()
            self._events.write(Kind.PORTAL_UNREACHABLE, f"{Kind.PORTAL_UNREACHABLE.value.meaning} {error}")
        else:
            journaled.result()
            self._journal.reported(outcome.request_id)

    def _unsure(self, task: Task, outcome: Outcome) -> None:
        """Not journaled as an end: the portal offers it again, until somebody knows or it gives up."""
        if not self._events.has(Kind.UNSURE, task.envelope.tracking_id, task.request_id):
            self._steps.tell(Kind.UNSURE, task, outcome.detail)
            self.counts.unresolved += 1
        try:
            self._portal.report(outcome)
        except LinkError:
            return  # silence means the same to the portal

    def _still_as(self, before: Before, forest: Forest) -> None:
        with forest.connection() as connection:
            if read_account(connection, before.object_guid).versions.unicode_pwd != before.password_version:
                raise stale()


def where(error: BaseException) -> str:
    """Kind and place of an exception, without its text."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return f"{type(error).__name__} at " + " < ".join(f"{f.name}:{f.lineno}" for f in reversed(frames))


def _unlocks(envelope: Envelope) -> bool:
    """An inspection bears the flag too, to miss the right in time, and clears nothing."""
    return envelope.operation is Operation.UNLOCK or (envelope.operation is Operation.RESET and envelope.flags.unlock)
