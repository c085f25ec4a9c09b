"""Keeping the portal's people and groups as the directory has them.

A *whole* run reads everybody. From then on the directory is asked every few seconds what has *changed*, and those
objects are read again. A *sweep* compares who is in scope, by objectGUID alone: it finds leavers and deletions that no
change tells of, and what was missed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar
from uuid import UUID, uuid4

from keyback.agent.ahead import ahead
from keyback.agent.catalogue import Kind
from keyback.agent.clock import Clock
from keyback.agent.delivery import Delivery, PeopleDoor, batches, group_batches, record, spans
from keyback.agent.events import Events
from keyback.agent.exchange import LinkError
from keyback.agent.forests import Forest
from keyback.agent.journal import Journal, RunKind, SyncRun
from keyback.agent.marks import Marks
from keyback.directory import (
    Changes,
    Connection,
    DirectoryGroup,
    DirectoryPerson,
    Domain,
    groups,
    groups_by_guid,
    has_containers,
    in_scope,
    people,
    people_by_guid,
    read_domain,
)
from keyback.directory.errors import DirectoryError
from keyback.protocol.limits import MAX_OBJECTS_PER_PUSH, MAX_PEOPLE_PER_PUSH

__all__ = ["Synchronisation"]

T = TypeVar("T", DirectoryPerson, DirectoryGroup)


@dataclass(slots=True)
class _Scope:
    """Who is in scope as the portal was last told: objectGUIDs, 16 bytes each, which makes some 10 MB for 100,000.
    ``took_s``: how long the directory was asked for them, where it was for them alone."""

    people: set[bytes] = field(default_factory=set)
    groups: set[bytes] = field(default_factory=set)
    took_s: float = 0.0


@dataclass(slots=True)
class _Task:
    """One forest's run: where to read and where to bring it."""

    forest: Forest
    connection: Connection
    domain: Domain
    delivery: Delivery

    @property
    def group_bases(self) -> tuple[str, ...]:
        return self.forest.config.group_base_dns or (self.connection.root.default_naming_context,)

    def people_of(self, guids: Iterable[UUID]) -> Iterator[DirectoryPerson]:
        config = self.forest.config
        return people_by_guid(
            self.connection, self.domain, config.base_dns, guids, filter=config.filter, shape=config.shape
        )

    def groups_of(self, guids: Iterable[UUID]) -> Iterator[DirectoryGroup]:
        return groups_by_guid(self.connection, self.group_bases, guids, filter=self.forest.config.group_filter)

    def scope(self) -> _Scope:
        config = self.forest.config
        return _Scope(
            in_scope(self.connection, config.base_dns, config.filter),
            in_scope(self.connection, self.group_bases, config.group_filter),
        )


class Synchronisation:
    """Runs a forest once at a time; a run that is asked for while one goes on waits for it."""

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
        self._door = threading.Lock()
        self._lock = threading.Lock()
        self._runs: dict[str, threading.Lock] = {}
        self._scopes: dict[str, _Scope] = {}
        self._told: dict[str, tuple[int, str]] = {}

    def run(self, forest: Forest, forest_id: UUID, progress: Callable[[int], None] = lambda sent: None) -> SyncRun:
        """Pushes everybody in scope, then who they were, so that the portal removes all others.

        A run that breaks off removes nobody; its ``problem`` says why. ``progress`` is told how many were pushed.
        """
        with self._running(forest, forest_id, "whole") as delivery:
            delivery.begin()
            with forest.nearest() as connection:
                marks = self._marks(forest)
                place = marks.now(connection)  # before anybody is read: what changes meanwhile is told again
                task = _Task(forest, connection, read_domain(connection), delivery)
                scope = _push_everybody(task, progress)
                self._tell_scope(task, scope, refused=frozenset(delivery.refused))
                marks.keep(place)
        return delivery.run

    def catch_up(self, forest: Forest, forest_id: UUID) -> SyncRun | None:
        """Pushes what has changed since the last time; None when nothing has. A whole run where nothing is kept that
        changes could be asked since."""
        with self._running(forest, forest_id, "changes") as delivery, forest.nearest() as connection:
            marks = self._marks(forest)
            found = marks.changes(connection)
            if found is not None:
                changes, place = found
                if changes.objects or changes.deleted:
                    task = _Task(forest, connection, read_domain(connection), delivery)
                    self._push_changes(task, changes)
                    marks.keep(place)
                return delivery.run if delivery.begun else None
        if delivery.run.problem:
            return delivery.run
        return self.run(forest, forest_id)

    def sweep(self, forest: Forest, forest_id: UUID, *, tell_all: bool) -> SyncRun | None:
        """Compares who is in scope with what the portal was told; None when it is the same. ``tell_all``: tells the
        portal everybody's objectGUID, which finds whatever went astray between the two."""
        with self._running(forest, forest_id, "sweep") as delivery, forest.nearest() as connection:
            task = _Task(forest, connection, read_domain(connection), delivery)
            if tell_all or forest.name not in self._scopes:
                delivery.begin()
                self._tell_scope(task, self._read_scope(task))
            else:
                self._compare(task)
                _finish(task)
        return delivery.run if delivery.begun or delivery.run.problem else None

    def reading_took_s(self, forest: Forest) -> float:
        """How long the directory needed to name everybody, the last time it was asked that; 0 before."""
        return self._scopes.get(forest.name, _Scope()).took_s

    # --- parts of a run

    def _read_scope(self, task: _Task) -> _Scope:
        began = self._clock.elapsed()
        scope = task.scope()
        scope.took_s = self._clock.elapsed() - began
        return scope

    def _push_changes(self, task: _Task, changes: Changes) -> None:
        found = _push_objects(task, changes.objects)
        scope = self._scopes.setdefault(task.forest.name, _Scope())
        lost = {guid.bytes for guid in (*changes.objects, *changes.deleted)} - found.people - found.groups
        # Most of the lost were never in scope: computers, and accounts elsewhere.
        _push_gone(task, lost & (scope.people | scope.groups))
        scope.people = (scope.people - lost) | found.people
        scope.groups = (scope.groups - lost) | found.groups
        if has_containers(task.connection, [UUID(bytes=guid) for guid in lost]):
            self._compare(task)  # whoever is below may have come or gone with it
        _finish(task)

    def _compare(self, task: _Task) -> None:
        before, now = self._scopes.setdefault(task.forest.name, _Scope()), self._read_scope(task)
        new = (now.people - before.people) | (now.groups - before.groups)
        _push_objects(task, [UUID(bytes=guid) for guid in new])
        _push_gone(task, (before.people - now.people) | (before.groups - now.groups))
        self._scopes[task.forest.name] = now

    def _tell_scope(self, task: _Task, scope: _Scope, refused: Collection[UUID] = ()) -> None:
        """``refused``: whom the portal would not have, as it said in this very run."""
        unknown: list[UUID] = []
        for name, guids in (("people_in_scope", scope.people), ("groups_in_scope", scope.groups)):
            for span in spans(sorted(guids)):
                unknown += task.delivery.send(**{name: span}).unknown
        _push_objects(task, [guid for guid in unknown if guid not in refused])
        _finish(task)
        self._scopes[task.forest.name] = scope

    # --- around a run

    def _marks(self, forest: Forest) -> Marks:
        return Marks(forest.config, self._journal, self._events)

    @contextmanager
    def _running(self, forest: Forest, forest_id: UUID, kind: RunKind) -> Iterator[Delivery]:
        with self._lock:
            one_at_a_time = self._runs.setdefault(forest.name, threading.Lock())
        with one_at_a_time:
            delivery = Delivery(
                SyncRun(uuid4(), forest.name, self._clock.now(), None, kind=kind),
                forest_id,
                journal=self._journal,
                events=self._events,
                portal=self._portal,
                clock=self._clock,
                wait=self._wait,
                door=self._door,
            )
            try:
                yield delivery
            except DirectoryError as error:
                delivery.run = replace(delivery.run, problem=f"directory: {error.code}: {error.message}")
            except LinkError as error:
                delivery.run = replace(delivery.run, problem=f"portal: {error}")
            run = delivery.run
            delivery.domains.keep(self._journal, forest.config, everybody=run.kind == "whole" and not run.problem)
            self._finished(delivery)

    def _finished(self, delivery: Delivery) -> None:
        delivery.run = run = replace(delivery.run, finished_at=self._clock.now())
        held, problem = self._told.get(run.forest, (0, ""))
        if delivery.begun or run.problem != problem:
            self._tell(run)
        if delivery.begun:
            self._journal.save_run(run)
            if run.held not in (0, held):
                self._events.write(
                    Kind.REMOVALS_HELD,
                    f"{Kind.REMOVALS_HELD.value.meaning} {run.forest}: {run.held} people.",
                    forest=run.forest,
                    held=run.held,
                )
        self._told[run.forest] = (run.held if delivery.begun else held, run.problem)

    def _tell(self, run: SyncRun) -> None:
        if not run.problem and not run.finished_at:
            return
        counts = f"{run.people} people, {run.added} added, {run.changed} changed, {run.removed} removed"
        self._events.write(
            Kind.SYNC_FAILED if run.problem else Kind.SYNC_RESULT,
            run.problem or f"{run.forest}: {counts}, {run.refused} refused",
            forest=run.forest,
            run=str(run.id),
            of=run.kind,
            people=run.people,
            added=run.added,
            changed=run.changed,
            removed=run.removed,
            refused=run.refused,
            held=run.held,
        )


def _push_everybody(task: _Task, progress: Callable[[int], None]) -> _Scope:
    config, scope = task.forest.config, _Scope()
    for base in config.base_dns:
        found = people(task.connection, task.domain, base, filter=config.filter, shape=config.shape)
        # Bases may overlap. The directory is read on while a push is under way, so that neither waits for the other.
        records = (record(person) for person in _noted(found, scope.people))
        for batch in ahead(batches(records, MAX_PEOPLE_PER_PUSH), give_up=task.connection.give_up):
            task.delivery.send(people=batch)
            progress(task.delivery.run.people)
    found_groups = groups(task.connection, task.group_bases, filter=config.group_filter)
    for some in ahead(group_batches(_noted(found_groups, scope.groups)), give_up=task.connection.give_up):
        task.delivery.send(groups=some)
    return scope


def _push_objects(task: _Task, guids: Collection[UUID]) -> _Scope:
    """Reads these objects again and pushes those in scope. Returns which these are."""
    scope = _Scope()
    for some in batches(guids, MAX_PEOPLE_PER_PUSH):
        found = [record(person) for person in _noted(task.people_of(some), scope.people)]
        if found:
            task.delivery.send(people=found)
    rest = [guid for guid in guids if guid.bytes not in scope.people]
    for records in group_batches(_noted(task.groups_of(rest), scope.groups)):
        task.delivery.send(groups=records)
    return scope


def _push_gone(task: _Task, guids: Collection[bytes]) -> None:
    for some in batches(guids, MAX_OBJECTS_PER_PUSH):
        task.delivery.send(gone=[UUID(bytes=guid) for guid in some])


def _finish(task: _Task) -> None:
    if task.delivery.begun:
        task.delivery.send(last=True)


def _noted(found: Iterable[T], seen: set[bytes]) -> Iterator[T]:
    """Each object once, its objectGUID noted."""
    for one in found:
        guid = one.guid.bytes
        if guid not in seen:
            seen.add(guid)
            yield one
