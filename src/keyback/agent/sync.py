"""Pushing the people of a forest to the portal: whole runs, streamed, so that memory does not grow with them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Protocol, TypeVar
from uuid import UUID, uuid4

from keyback.agent.catalogue import Kind
from keyback.agent.clock import Clock
from keyback.agent.events import Events
from keyback.agent.forests import Forest
from keyback.agent.journal import Journal, SyncRun
from keyback.agent.link import LinkError, Refused, Unreachable
from keyback.directory import Connection, DirectoryPerson, people, read_domain
from keyback.directory.errors import DirectoryError
from keyback.protocol.limits import MAX_PEOPLE_PER_PUSH
from keyback.protocol.messages import PersonRecord, Push, PushReceipt

__all__ = ["PeopleDoor", "Synchronisation", "record"]

TEXT = 256
"""Characters that a value may have on its way; what a directory holds beyond that is no user ID, mail or number."""

REFUSED_TOLD = 20
"""Events a run for people that the portal did not take; the rest is counted."""

T = TypeVar("T")


class PeopleDoor(Protocol):
    """What of the link a run needs."""

    def push(self, push: Push) -> PushReceipt: ...


class Synchronisation:
    """Runs one forest at a time; a run that is asked for while one goes on waits for it."""

    def __init__(
        self,
        *,
        journal: Journal,
        events: Events,
        portal: PeopleDoor,
        clock: Clock,
        wait: Callable[[float], None],
    ) -> None:
        self._journal = journal
        self._events = events
        self._portal = portal
        self._clock = clock
        self._wait = wait
        self._one_at_a_time = threading.Lock()

    def run(self, forest: Forest, forest_id: UUID, progress: Callable[[int], None] = lambda sent: None) -> SyncRun:
        """Pushes everybody in scope, then has the portal remove who was not among them.

        A run that breaks off removes nobody; its ``problem`` says why. ``progress`` is told how many were pushed.
        """
        with self._one_at_a_time:
            run = SyncRun(id=uuid4(), forest=forest.name, started_at=self._clock.now(), finished_at=None)
            self._journal.save_run(run)
            self._events.write(Kind.SYNC_START, forest=forest.name, run=str(run.id))
            try:
                run = self._push_all(run, forest, forest_id, progress)
            except DirectoryError as error:
                run = replace(run, problem=f"directory: {error.code}: {error.message}")
            except LinkError as error:
                run = replace(run, problem=f"portal: {error}")
            run = replace(run, finished_at=self._clock.now())
            self._journal.save_run(run)
            self._tell(run)
            return run

    def _push_all(self, run: SyncRun, forest: Forest, forest_id: UUID, progress: Callable[[int], None]) -> SyncRun:
        with forest.connection() as connection:
            for batch, last in _batches(_everybody(forest, connection), MAX_PEOPLE_PER_PUSH):
                receipt = self._deliver(run, forest_id, batch, last=last)
                told = REFUSED_TOLD - run.refused
                for guid, reason in islice(receipt.refused.items(), max(0, told)):
                    self._events.write(Kind.PERSON_REFUSED, reason, forest=forest.name, object=str(guid))
                run = replace(
                    run,
                    people=run.people + len(batch),
                    added=run.added + receipt.added,
                    changed=run.changed + receipt.changed,
                    removed=run.removed + receipt.removed,
                    refused=run.refused + len(receipt.refused),
                )
                progress(run.people)
        return run

    def _deliver(self, run: SyncRun, forest_id: UUID, batch: list[PersonRecord], *, last: bool) -> PushReceipt:
        """One push, repeated under a new number where its answer got lost: it says how people are, not what to do."""
        for pause in (0.5, 2.0, 5.0, None):
            push = Push(
                run_id=run.id,
                seq=self._journal.next_push(self._clock.now()),
                forest_id=forest_id,
                people=batch,
                last=last,
            )
            try:
                return self._portal.push(push)
            except Unreachable as error:
                if pause is None:
                    raise
                self._wait(max(pause, error.retry_after))
            except Refused as error:
                # The portal has seen a greater number: one more, since the first try may have crossed another run.
                if error.code != "sequence_refused" or pause is None:
                    raise
        raise AssertionError("unreachable")

    def _tell(self, run: SyncRun) -> None:
        counts = f"{run.people} people, {run.added} added, {run.changed} changed, {run.removed} removed"
        self._events.write(
            Kind.SYNC_FAILED if run.problem else Kind.SYNC_RESULT,
            run.problem or f"{run.forest}: {counts}, {run.refused} refused",
            forest=run.forest,
            run=str(run.id),
            people=run.people,
            added=run.added,
            changed=run.changed,
            removed=run.removed,
            refused=run.refused,
        )


def _everybody(forest: Forest, connection: Connection) -> Iterator[PersonRecord]:
    domain = read_domain(connection)
    seen: set[bytes] = set()  # bases may overlap; 16 bytes each
    for base in forest.config.base_dns:
        found = people(connection, domain, base, filter=forest.config.filter, anchor=forest.config.anchor)
        for person in found:
            if person.guid.bytes not in seen:
                seen.add(person.guid.bytes)
                yield record(person)


def record(person: DirectoryPerson) -> PersonRecord:
    """What the portal gets to know. Addresses and numbers too long to be real are left out, not cut."""
    spellings = dict.fromkeys((*person.spellings, person.sam.lower()))
    mails = dict.fromkeys((*person.mails, *person.other_mailbox))
    return PersonRecord(
        object_guid=person.guid,
        anchor=person.anchor,
        user_id=person.user_id if len(person.user_id) <= TEXT else person.sam[:TEXT],
        spellings=_fitting(spellings, 20),
        account_name=person.sam[:TEXT],
        display_name=person.display_name[:TEXT],
        given_name=person.given_name[:TEXT],
        surname=person.surname[:TEXT],
        mail=_fitting(mails, 10),
        mobile=person.mobile if len(person.mobile) <= TEXT else "",
        office_phone=person.telephone_number if len(person.telephone_number) <= TEXT else "",
        enabled=person.enabled,
    )


def _fitting(values: Iterable[str], most: int) -> list[str]:
    return [value for value in values if len(value) <= TEXT][:most]


def _batches(items: Iterable[T], size: int) -> Iterator[tuple[list[T], bool]]:
    """Lists of at most ``size``, each with whether it is the last; one empty last list for no items at all."""
    iterator = iter(items)
    batch = list(islice(iterator, size))
    while True:
        following = list(islice(iterator, size))
        yield batch, not following
        if not following:
            return
        batch = following
