"""The forests that this agent serves: kept connections to their controllers, and what may be written there.

What is written, and looked at before, goes to the PDC emulator where it can be reached: it hears of every password
first. Synchronisation reads from whatever is near. A read-only controller is never written to.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from enum import IntEnum
from uuid import UUID

from keyback.agent.config import ForestConfig, Protected
from keyback.directory import Connection, DirectoryServer, Guard, Policies, Pool, Reason, read_back, unlock
from keyback.directory.errors import BindRefused, DirectoryError, TlsFailure, Unreachable
from keyback.errors import ConfigurationError

__all__ = ["Forest"]

_TRY_ANOTHER = (Unreachable, TlsFailure, BindRefused)

SHUNNED = 60.0
"""Seconds for which a controller that could not be reached is asked last."""

ROLES_AGE = 600.0
"""Seconds after which it is asked anew whether a controller is the PDC emulator, and DNS which there are."""

LOOK_SOON = 5.0

UNLOCK_LIMIT = 5.0


class _Role(IntEnum):
    """In the order in which they are written to."""

    PDC = 0
    UNKNOWN = 1
    WRITABLE = 2
    READ_ONLY = 3


@dataclass(slots=True, eq=False)
class _Place:
    """One controller. ``near``: of this agent's own site."""

    pool: Pool
    near: bool = True
    role: _Role = _Role.UNKNOWN
    learned_at: float = 0.0
    shunned_until: float = 0.0

    def learn(self, connection: Connection) -> None:
        """Raises DirectoryError."""
        if self.role is not _Role.UNKNOWN and time.monotonic() - self.learned_at < ROLES_AGE:
            return
        if connection.root.read_only:
            self.role = _Role.READ_ONLY
        else:
            self.role = _Role.PDC if connection.emulates_pdc() else _Role.WRITABLE
        self.learned_at = time.monotonic()


class Forest:
    """One forest. A controller that does not answer is left for another one within a few seconds."""

    def __init__(
        self, config: ForestConfig, servers: Sequence[DirectoryServer], protected: Protected, connections: int
    ) -> None:
        """``servers``: those listed in ``config``; where it lists none they are found by DNS, and looked for anew."""
        self.config = config
        self.name = config.name
        self.policies = Policies()
        self._protected = protected
        self._connections = connections
        self._lock = threading.Lock()
        self._places = [_Place(Pool(server, connections)) for server in servers]
        self._looked_at = time.monotonic() if servers else None

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection to a controller that can be written, the PDC emulator if it answers. Raises what the first one
        said when none does."""
        with self._lend(writing=True) as connection:
            yield connection

    @contextmanager
    def nearest(self) -> Iterator[Connection]:
        """A connection to read from, in the configured order. Raises like `connection`."""
        with self._lend(writing=False) as connection:
            yield connection

    @contextmanager
    def _lend(self, *, writing: bool) -> Iterator[Connection]:
        left = list(self._known())
        problem: DirectoryError | None = None
        while left:
            place = min(left, key=lambda one: (_shunned(one), one.role if writing else 0, self._rank(one)))
            with ExitStack() as borrowed:
                try:
                    connection = borrowed.enter_context(place.pool.connection())
                    place.learn(connection)
                except _TRY_ANOTHER as error:
                    if isinstance(error, BindRefused) and self._take_new_password(place):
                        continue
                    place.shunned_until = time.monotonic() + SHUNNED
                    problem = problem or error
                    left.remove(place)
                    continue
                place.shunned_until = 0.0
                if writing and place.role is _Role.READ_ONLY:
                    unwritable = "it is a read-only controller, and no other answers"
                    problem = problem or Unreachable(place.pool.server.url, unwritable)
                    left.remove(place)
                    continue
                if writing and place.role is _Role.WRITABLE and any(_to_find_out(one) for one in left):
                    continue  # the PDC emulator may be among those that were never asked
                try:
                    yield connection
                except Unreachable:
                    place.shunned_until = time.monotonic() + SHUNNED
                    raise
                return
        if problem is None:
            problem = Unreachable(self.name, "no domain controller is known")
        raise problem

    def _take_new_password(self, place: _Place) -> bool:
        """Whether another one than this place was asked with is stored by now; all are asked with that from now on."""
        try:
            password = self.config.service_password()
        except ConfigurationError:
            return False
        if password == place.pool.server.password:
            return False
        for one in self._places:
            stale, one.pool = one.pool, Pool(replace(one.pool.server, password=password), self._connections)
            one.shunned_until = 0.0
            stale.close()
        return True

    def _rank(self, place: _Place) -> int:
        return self._places.index(place) if place in self._places else len(self._places)

    def _known(self) -> list[_Place]:
        """Where DNS is asked: what it said last while it is silent. Raises Unreachable where it never said anything."""
        if not self.config.servers:
            with self._lock:
                if self._looked_at is None or time.monotonic() - self._looked_at > self._look_after():
                    self._look()
        return self._places

    def _look_after(self) -> float:
        return LOOK_SOON if all(map(_shunned, self._places)) else ROLES_AGE

    def _look(self) -> None:
        self._looked_at = time.monotonic()
        try:
            found = self.config.discover()
        except DirectoryError:
            if not self._places:
                raise
            return
        except ConfigurationError as error:
            raise Unreachable(self.name, str(error)) from None
        kept = {place.pool.server.url: place for place in self._places}
        self._places = [
            kept.pop(server.url) if server.url in kept else _Place(Pool(server, self._connections), near)
            for server, near in found
        ]
        for place in kept.values():
            place.pool.close()

    @contextmanager
    def connection_to(self, invocation_id: UUID) -> Iterator[Connection | None]:
        """A connection to the server with this database, or None where it cannot be reached now."""
        for place in self._known():
            with ExitStack() as borrowed:
                try:
                    connection = borrowed.enter_context(place.pool.connection())
                except _TRY_ANOTHER:
                    continue
                if connection.root.invocation_id == invocation_id:
                    yield connection
                    return
        yield None

    def unlock_elsewhere(self, guid: UUID, written: str) -> list[str]:
        """Clears the lock-out on the site's other controllers, which would hear of it by replication only, minutes
        later. ``written``: the name of the one that has it. The names of those where it was cleared; what cannot be
        reached is left to replication."""
        cleared = []
        for place in [one for one in self._known() if one.near and not _shunned(one)]:
            with suppress(DirectoryError), place.pool.connection() as connection:
                elsewhere = connection.root.dns_host_name != written and not connection.root.read_only
                if elsewhere and read_back(connection, guid).locked_out:
                    unlock(connection, guid, timeout=UNLOCK_LIMIT)
                    cleared.append(connection.root.dns_host_name)
        return cleared

    def guard(self, connection: Connection) -> Guard:
        """Who may be written through this connection."""
        return Guard(
            own_sid=connection.root.own_sid,
            bases=self.config.base_dns,
            listed_sids=self._protected.sids,
            listed_dns=self._protected.dns,
            states=frozenset(map(Reason, self._protected.states)),
        )

    def reachable(self) -> bool:
        try:
            with self.connection():
                return True
        except DirectoryError:
            return False

    def close(self) -> None:
        for place in self._places:
            place.pool.close()


def _shunned(place: _Place) -> bool:
    return place.shunned_until > time.monotonic()


def _to_find_out(place: _Place) -> bool:
    return place.role is _Role.UNKNOWN and not _shunned(place)
