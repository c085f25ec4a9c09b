"""The running agent: one thread waits for work, several carry it out, others synchronise, report and keep the keys.

Nothing here ends the process but a stop that was asked for: without a portal or a directory it keeps trying.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from uuid import UUID, uuid4

from keyback.agent.catalogue import Kind
from keyback.agent.clock import Clock
from keyback.agent.config import AgentConfig
from keyback.agent.events import Events
from keyback.agent.exchange import Cause, InvalidAnswer, LinkError, NotConfirmed, OutOfDate, Revoked, Unreachable
from keyback.agent.forests import Forest
from keyback.agent.identity import Identity
from keyback.agent.journal import Journal
from keyback.agent.keys import KeyStore
from keyback.agent.link import Link
from keyback.agent.rhythm import Rhythm
from keyback.agent.screen import Screen
from keyback.agent.switch import Switchboard
from keyback.agent.sync import Synchronisation
from keyback.agent.writeback import Writeback, where
from keyback.errors import ConfigurationError
from keyback.protocol.errors import ProtocolError
from keyback.protocol.limits import HEARTBEAT_INTERVAL, POLL_MAX
from keyback.protocol.messages import Heartbeat, Work

__all__ = ["Service"]

LONGEST_PAUSE = 30.0
UPKEEP = 3_600.0
LISTS_INTERVAL = 300.0
CATCH_UP = 2.0
TRIES_BEFORE_MISSING = 3
KEYS_PAUSE = 2.0


class Service:
    """`run` returns after `stop`, when everything that was claimed is finished."""

    def __init__(
        self,
        *,
        config: AgentConfig,
        identity: Identity,
        keys: KeyStore,
        forests: dict[str, Forest],
        screen: Screen,
        journal: Journal,
        events: Events,
        link: Link,
        switchboard: Switchboard,
        clock: Clock,
    ) -> None:
        self._config = config
        self._identity = identity
        self._keys = keys
        self._forests = forests
        self._screen = screen
        self._journal = journal
        self._events = events
        self._link = link
        self._switchboard = switchboard
        self._clock = clock
        self._stop = threading.Event()
        self._free = threading.Semaphore(config.capacity)
        self._held: list[UUID] = []
        self._lock = threading.Lock()
        self._workers = ThreadPoolExecutor(config.capacity, "request")
        self._started = clock.elapsed()
        self._agreed = False  # with the portal, on what this agent serves
        self._boot_id = uuid4()
        self.writeback = Writeback(
            identity=identity,
            keys=keys,
            forests=forests,
            switch=switchboard.switch,
            limits=config.limits,
            screen=screen,
            journal=journal,
            events=events,
            portal=link,
            clock=clock,
        )
        self.synchronisation = Synchronisation(
            journal=journal, events=events, portal=link, clock=clock, wait=self._pause
        )

    def stop(self) -> None:
        """From any thread; not from a signal handler, which may interrupt the wait for this very event."""
        self._stop.set()

    def run(self) -> None:
        if self._events.last_of(Kind.SERVICE_STARTED, Kind.SERVICE_STOPPED) is Kind.SERVICE_STARTED:
            self._events.write(
                Kind.SERVICE_STOPPED, "The agent had ended without being asked to: killed, or the power cut."
            )
        self._events.write(Kind.SERVICE_STARTED, version=version("keyback"), boot=str(self._boot_id))
        loops: list[tuple[str, Callable[[], None]]] = [
            ("reports", self._report_loop),
            ("heartbeat", self._heartbeat_loop),
            ("upkeep", self._upkeep_loop),
            ("banned words", self._lists_loop),
            ("second looks", self._look_again_loop),
            *((f"sync {name}", partial(self._sync_loop, forest)) for name, forest in self._forests.items()),
            # A poll that waits cannot be called back: it is left behind, and its claims, if any, go back to the queue.
            ("poll", self._poll_loop),
        ]
        for name, loop in loops:
            threading.Thread(target=self._keep_going, args=(loop,), name=name, daemon=True).start()
        self._stop.wait()
        self._workers.shutdown(wait=True)
        self.writeback.catch_up()
        self._events.write(Kind.SERVICE_STOPPED, "The agent was stopped; everything that it had claimed is finished.")

    def _keep_going(self, loop: Callable[[], None]) -> None:
        """A full disk, or a mistake of ours, must not leave an agent that runs and does nothing."""
        while not self._stop.is_set():
            try:
                loop()
                return
            except Exception as error:
                if self._stop.is_set():
                    return  # an interpreter that ends starts no thread any more, for a connection say: no mistake
                self._tell_unforeseen(error)
                self._pause(LONGEST_PAUSE / 6)

    def _tell_unforeseen(self, error: Exception) -> None:
        with suppress(Exception):  # the log may be what is broken
            self._events.write(Kind.UNKNOWN_ERROR, f"{threading.current_thread().name}: {where(error)}")

    # --- work

    def _poll_loop(self) -> None:
        self._await_keys()
        trouble = _Trouble(self._events)
        while not self._stop.is_set():
            self._free.acquire()  # there is room for one at least
            self._free.release()
            with self._lock:
                held = list(self._held)
            try:
                work = self._link.poll(self._boot_id, max(1, self._config.capacity - len(held)), held, POLL_MAX).work
            except LinkError as error:
                self._pause(trouble.after(error))
                continue
            trouble.over()
            with self._lock:
                self._held += [one.request_id for one in work]
            for one in work:
                self._start(one)

    def _await_keys(self) -> None:
        """Without its keys no request can be taken; synchronisation goes on meanwhile, and so does this, once they are
        mended or made anew."""
        told = ""
        while (problem := self._keys.problem()) and not self._stop.is_set():
            if problem != told:
                self._events.write(Kind.CRYPTO_ERROR, problem)
                self._events.write(Kind.ENDPOINT_FAILED, f"{Kind.ENDPOINT_FAILED.value.meaning} {problem}")
                told = problem
            self._pause(KEYS_PAUSE)

    def _start(self, work: Work) -> None:
        self._free.acquire()
        try:
            self._workers.submit(self._carry_out, work)
        except RuntimeError:  # stopping: its claim runs out, and it is given to another agent
            self._done(work)

    def _carry_out(self, work: Work) -> None:
        try:
            self.writeback.carry_out(work)
        except Exception as error:
            self._tell_unforeseen(error)
        finally:
            self._done(work)

    def _done(self, work: Work) -> None:
        with self._lock:
            self._held.remove(work.request_id)
        self._free.release()

    # --- the other loops

    def _report_loop(self) -> None:
        while not self._stop.is_set():
            everything = self.writeback.catch_up()
            self._pause(CATCH_UP if everything else 2 * CATCH_UP)

    def _sync_loop(self, forest: Forest) -> None:
        told = False
        while (forest_id := self._identity.forest_id(forest.name)) is None and not self._stop.is_set():
            if not told and self._agreed:
                text = f"{forest.name}: an administrator of the portal has to allow it first (keyback agents allow)"
                self._events.write(Kind.FOREST_UNKNOWN, text, forest=forest.name)
                told = True
            self._pause(LONGEST_PAUSE / 10)
        if forest_id is None:
            return
        rhythm = Rhythm(self.synchronisation, forest, forest_id, journal=self._journal, clock=self._clock)
        while not self._stop.is_set():
            self._pause(rhythm.turn())

    def _heartbeat_loop(self) -> None:
        while not self._stop.is_set():
            try:
                self._link.heartbeat(self._heartbeat())
            except NotConfirmed:
                self._pause(LONGEST_PAUSE)
                continue
            except LinkError as error:
                self._events.write(Kind.HEARTBEAT_FAILED, f"{Kind.HEARTBEAT_FAILED.value.meaning} {error}")
            else:
                self._events.write(Kind.HEARTBEAT)
            self._pause(HEARTBEAT_INTERVAL)

    def _heartbeat(self) -> Heartbeat:
        runs = [run for run in self._journal.runs(kind="whole") if run.finished_at and not run.problem]
        last = runs[0] if runs else None
        counts = self.writeback.counts
        age = None if last is None or last.finished_at is None else self._clock.now() - last.finished_at
        return Heartbeat(
            version=version("keyback"),
            uptime_s=int(self._clock.elapsed() - self._started),
            requests_done=counts.done,
            requests_refused=counts.refused,
            requests_unresolved=counts.unresolved,
            last_sync_people=0 if last is None else last.people,
            last_sync_age_s=None if age is None else max(0, int(age.total_seconds())),
            forests_reachable=sum(forest.reachable() for forest in self._forests.values()),
            forests=len(self._forests),
            paused=bool(self._journal.stopped()),
        )

    def _upkeep_loop(self) -> None:
        """Keys roll here, and what is old is forgotten."""
        pruned = 0.0
        while not self._stop.is_set():
            try:
                if self._keys.roll(self._clock.now()):
                    self._events.write(Kind.KEY_PAIR_CREATED, key=self._keys.newest().key)
                if key := self._keys.unannounced():
                    self._link.new_key(key)
                    self._keys.announced(key.key, self._clock.now())
                self._switchboard.agree(self._clock.now())
                self._agreed = True
                if self._clock.elapsed() - pruned > UPKEEP:
                    self._journal.prune(self._clock.now())
                    pruned = self._clock.elapsed()
            except LinkError:
                pass  # the poll loop tells of the portal; the old key serves on meanwhile
            except ConfigurationError as error:
                self._events.write(Kind.CONFIGURATION_ERROR, str(error))
            except OSError as error:
                self._events.write(Kind.CRYPTO_ERROR, f"the next key could not be stored: {error.strerror}")
            self._pause(min(LONGEST_PAUSE, self._config.key_life_s / 4))

    def _look_again_loop(self) -> None:
        while not self._stop.is_set():
            self.writeback.look_again(self._clock.now())
            self._pause(LONGEST_PAUSE)

    def _lists_loop(self) -> None:
        """The organization's list of banned words; without an answer, or with a bad one, the last good one stays."""
        while not self._stop.is_set():
            pause = LISTS_INTERVAL
            try:
                newer = self._link.newer_banned_terms(self._screen.version)
                if newer is not None:
                    self._screen.take(newer)
            except LinkError:
                pause = LONGEST_PAUSE  # the poll loop tells of the portal
            except (ProtocolError, ConfigurationError, OSError) as error:
                self._events.write(Kind.BANNED_LIST_DAMAGED, f"{Kind.BANNED_LIST_DAMAGED.value.meaning} {error}")
            self._pause(pause)

    def _pause(self, seconds: float) -> None:
        self._stop.wait(seconds)


class _Trouble:
    """How long to wait before polling again, and what to write: each trouble once, not at every try."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._pause = 0.0
        self._told: set[Kind] = set()
        self._failed = 0

    def after(self, error: LinkError) -> float:
        first = not self._pause
        self._failed += 1
        self._pause = min(LONGEST_PAUSE, max(0.25, 2 * self._pause))
        match error:
            case NotConfirmed():
                self._pause = 2.0
                self._tell(Kind.NOT_CONFIRMED, str(error))
            case OutOfDate():
                self._pause = LONGEST_PAUSE
                self._tell(Kind.OUT_OF_DATE, str(error))
            case Revoked():
                self._pause = LONGEST_PAUSE
                self._tell(Kind.REVOKED, str(error))
            case InvalidAnswer():
                self._tell(Kind.INVALID_ANSWER, str(error))
            case Unreachable(cause=Cause.BUSY):
                self._tell(Kind.RELAY_RETRIED, str(error))
                return max(self._pause, error.retry_after)
            case Unreachable(cause=Cause.TLS | Cause.PROXY):
                self._tell(Kind.LISTENER_ERROR, str(error))
            case Unreachable() if first:
                # Proxies cut idle connections now and then. If it lasts, the next try says so.
                self._tell(Kind.RELAY_RETRIED, str(error))
            case Unreachable():
                self._tell(Kind.RELAY_UNREACHABLE, str(error))
            case _:
                self._tell(Kind.AUTH_REFUSED, str(error))
        if isinstance(error, Unreachable) and self._failed >= TRIES_BEFORE_MISSING:
            self._tell(Kind.LISTENER_MISSING, str(error))
        return self._pause

    def over(self) -> None:
        self._pause = 0.0
        self._failed = 0
        self._told.clear()

    def _tell(self, kind: Kind, text: str) -> None:
        if kind not in self._told:
            self._told.add(kind)
            self._events.write(kind, f"{kind.value.meaning} {text}")
