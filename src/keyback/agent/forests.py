"""The forests that this agent serves: kept connections to their controllers, and what may be written there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from uuid import UUID

from keyback.agent.config import ForestConfig, Protected
from keyback.directory import Connection, DirectoryServer, Guard, Policies, Pool, Reason
from keyback.directory.errors import BindRefused, DirectoryError, TlsFailure, Unreachable

__all__ = ["Forest"]

_TRY_ANOTHER = (Unreachable, TlsFailure, BindRefused)


class Forest:
    """One forest. Connections go to the server that answered last, and move on to the next one when it does not."""

    def __init__(
        self, config: ForestConfig, servers: Sequence[DirectoryServer], protected: Protected, connections: int
    ) -> None:
        self.config = config
        self.name = config.name
        self.policies = Policies()
        self._protected = protected
        self._pools = [Pool(server, connections) for server in servers]
        self._preferred = 0

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection to a server that answers. Raises what the first one said when none does."""
        problem: DirectoryError | None = None
        count = len(self._pools)
        for place in [(self._preferred + step) % count for step in range(count)]:
            with ExitStack() as borrowed:
                try:
                    connection = borrowed.enter_context(self._pools[place].connection())
                except _TRY_ANOTHER as error:
                    problem = problem or error
                    continue
                self._preferred = place
                yield connection
                return
        assert problem is not None, "a forest has at least one server"  # noqa: S101 — the configuration demands it
        raise problem

    @contextmanager
    def connection_to(self, invocation_id: UUID) -> Iterator[Connection | None]:
        """A connection to the server with this database, or None where it cannot be reached now."""
        for pool in self._pools:
            with ExitStack() as borrowed:
                try:
                    connection = borrowed.enter_context(pool.connection())
                except _TRY_ANOTHER:
                    continue
                if connection.root.invocation_id == invocation_id:
                    yield connection
                    return
        yield None

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
        for pool in self._pools:
            pool.close()
