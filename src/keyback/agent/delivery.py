"""Bringing one run's people and groups to the portal, push by push, and noting what it answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Protocol, TypeVar
from uuid import UUID

from keyback.agent.catalogue import Kind
from keyback.agent.clock import Clock
from keyback.agent.domains import Domains
from keyback.agent.events import Events
from keyback.agent.exchange import Refused, Unreachable
from keyback.agent.journal import Journal, SyncRun
from keyback.directory import DirectoryGroup, DirectoryPerson
from keyback.protocol.limits import MAX_GROUPS_PER_PUSH, MAX_OBJECTS_PER_PUSH
from keyback.protocol.messages import Conflict, GroupRecord, PersonRecord, Push, PushReceipt, Span

__all__ = ["Delivery", "PeopleDoor", "batches", "group_batches", "group_records", "record", "spans"]

TEXT = 256
"""Characters that a value may have on its way; what a directory holds beyond that is no user ID, mail or number."""

TOLD = 20
"""Events a run for people that the portal did not take, and for conflicts; the rest is counted."""

_CONFLICTS = {"anchor": Kind.DUPLICATE_ANCHOR, "user_id": Kind.USER_ID_TWICE, "made_again": Kind.MADE_AGAIN}

T = TypeVar("T")


class PeopleDoor(Protocol):
    """What of the link a run needs."""

    def push(self, push: Push) -> PushReceipt: ...


class Delivery:
    """One run, which begins with its first push. ``run`` and ``domains`` go along. ``wait`` is called with seconds
    between two tries; ``door`` is held while a push is numbered and sent, since the portal takes an agent's pushes in
    their order.
    """

    def __init__(
        self,
        run: SyncRun,
        forest_id: UUID,
        *,
        journal: Journal,
        events: Events,
        portal: PeopleDoor,
        clock: Clock,
        wait: Callable[[float], None],
        door: threading.Lock,
    ) -> None:
        self.run = run
        self.begun = False
        self.refused: set[UUID] = set()
        self.domains = Domains()
        self._forest_id = forest_id
        self._journal = journal
        self._events = events
        self._portal = portal
        self._clock = clock
        self._wait = wait
        self._door = door
        self._told = 0

    def begin(self) -> None:
        """Notes that the run has begun; may be repeated."""
        if not self.begun:
            self.begun = True
            self._journal.save_run(self.run)
            self._events.write(Kind.SYNC_START, forest=self.run.forest, run=str(self.run.id), of=self.run.kind)

    def send(self, **content: Any) -> PushReceipt:
        """One push with this content (fields of Push). Raises LinkError."""
        self.begin()
        receipt = self._deliver(content)
        self.refused.update(receipt.refused)
        self.domains.note(content.get("people", ()))
        self.run = replace(
            self.run,
            people=self.run.people + len(content.get("people", ())),
            added=self.run.added + receipt.added,
            changed=self.run.changed + receipt.changed,
            removed=self.run.removed + receipt.removed,
            refused=self.run.refused + len(receipt.refused),
            held=receipt.held,
        )
        for guid, reason in receipt.refused.items():
            self._tell(Kind.PERSON_REFUSED, reason, guid)
        for conflict in receipt.conflicts:
            self._tell_conflict(conflict)
        return receipt

    def _deliver(self, content: dict[str, Any]) -> PushReceipt:
        """Repeated under a new number where its answer got lost: it says how things are, not what to do."""
        for pause in (0.5, 2.0, 5.0, None):
            try:
                with self._door:
                    seq = self._journal.next_push(self._clock.now())
                    return self._portal.push(Push(run_id=self.run.id, seq=seq, forest_id=self._forest_id, **content))
            except Unreachable as error:
                if pause is None:
                    raise
                self._wait(max(pause, error.retry_after))
            except Refused as error:
                # The portal has seen a greater number: one more, since the first try may have crossed another run.
                if error.code != "sequence_refused" or pause is None:
                    raise
        raise AssertionError("unreachable")

    def _tell_conflict(self, conflict: Conflict) -> None:
        kind = _CONFLICTS[conflict.kind]
        both = f"{conflict.object_guid} and {conflict.other} in {conflict.other_forest}"
        self._tell(kind, f"{kind.value.meaning} {both}.", conflict.object_guid)

    def _tell(self, kind: Kind, message: str, guid: UUID) -> None:
        self._told += 1
        if self._told <= TOLD:
            self._events.write(kind, message, forest=self.run.forest, run=str(self.run.id), object=str(guid))


def record(person: DirectoryPerson) -> PersonRecord:
    """What the portal gets to know. Addresses and numbers too long to be real are left out, not cut."""
    return PersonRecord(
        object_guid=person.guid,
        anchor=person.anchor,
        user_id=person.user_id if len(person.user_id) <= TEXT else person.sam[:TEXT],
        spellings=_fitting(dict.fromkeys((*person.spellings, person.sam.lower())), 20),
        account_name=person.sam[:TEXT],
        display_name=person.display_name[:TEXT],
        given_name=person.given_name[:TEXT],
        surname=person.surname[:TEXT],
        mail=_fitting(person.mails, 10),
        mobile=person.mobile if len(person.mobile) <= TEXT else "",
        office_phone=person.office_phone if len(person.office_phone) <= TEXT else "",
        enabled=person.enabled,
    )


def _fitting(values: Iterable[str], most: int) -> list[str]:
    return [value for value in values if len(value) <= TEXT][:most]


def group_records(group: DirectoryGroup, most: int = MAX_OBJECTS_PER_PUSH) -> Iterator[GroupRecord]:
    """The group in spans of at most ``most`` members."""
    for span in spans([member.bytes for member in group.members], most):
        yield GroupRecord(object_guid=group.guid, name=group.name[:TEXT], members=span)


def spans(guids: Sequence[bytes], most: int = MAX_OBJECTS_PER_PUSH) -> Iterator[Span]:
    """Ascending GUIDs (big-endian) cut into spans without a gap; one empty span that bounds nothing for none at all."""
    after: UUID | None = None
    for start in range(0, len(guids), most) or (0,):
        part = [UUID(bytes=guid) for guid in guids[start : start + most]]
        until = part[-1] if start + most < len(guids) else None
        yield Span(after=after, until=until, objects=part)
        after = until


def group_batches(groups: Iterable[DirectoryGroup]) -> Iterator[list[GroupRecord]]:
    """As many groups a push as it may hold, and no more members in all than one list of objects may have."""
    batch: list[GroupRecord] = []
    members = 0
    for one in (part for group in groups for part in group_records(group)):
        size = len(one.members.objects)
        if batch and (len(batch) == MAX_GROUPS_PER_PUSH or members + size > MAX_OBJECTS_PER_PUSH):
            yield batch
            batch, members = [], 0
        batch.append(one)
        members += size
    if batch:
        yield batch


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
