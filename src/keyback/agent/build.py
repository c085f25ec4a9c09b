"""Putting an agent together from its file and its state directory."""

from __future__ import annotations

import fcntl
import gc
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from keyback.agent.catalogue import Kind
from keyback.agent.clock import Clock, SystemClock
from keyback.agent.config import AgentConfig, ServicePasswordTooLong
from keyback.agent.events import EventLog
from keyback.agent.exchange import http_client
from keyback.agent.files import make_private_directory
from keyback.agent.forests import Forest
from keyback.agent.identity import Identity, load_identity
from keyback.agent.journal import Journal
from keyback.agent.keys import KeyDamaged, KeyStore
from keyback.agent.link import Link
from keyback.agent.screen import Screen
from keyback.agent.service import Service
from keyback.agent.switch import Switchboard
from keyback.agent.sync import Synchronisation
from keyback.errors import ConfigurationError

__all__ = ["Parts", "alone", "event_log", "journal", "parts"]


@dataclass(frozen=True)
class Parts:
    """What a running agent consists of."""

    config: AgentConfig
    identity: Identity
    keys: KeyStore
    forests: dict[str, Forest]
    screen: Screen
    journal: Journal
    events: EventLog
    link: Link
    clock: Clock

    def service(self) -> Service:
        return Service(
            config=self.config,
            identity=self.identity,
            keys=self.keys,
            forests=self.forests,
            screen=self.screen,
            journal=self.journal,
            events=self.events,
            link=self.link,
            switchboard=self.switchboard(),
            clock=self.clock,
        )

    def switchboard(self) -> Switchboard:
        return Switchboard(
            config=self.config,
            identity=self.identity,
            keys=self.keys,
            link=self.link,
            journal=self.journal,
            events=self.events,
        )

    def synchronisation(self) -> Synchronisation:
        return Synchronisation(
            journal=self.journal, events=self.events, portal=self.link, clock=self.clock, wait=time.sleep
        )


def event_log(config: AgentConfig) -> EventLog:
    """The log in this agent's state directory, which is made if need be."""
    make_private_directory(config.state_dir)
    return EventLog(config.state_dir, SystemClock())


def journal(config: AgentConfig) -> Journal:
    return Journal(config.state_dir / "journal.sqlite")


@contextmanager
def parts(config: AgentConfig) -> Iterator[Parts]:
    """An onboarded agent's parts, closed at the end. Raises ConfigurationError, and writes the event for it."""
    # A page of people is thousands of objects, none of them in a cycle: at Python's own threshold of 700 the collector
    # goes through them over and over, for a seventh of the CPU of a run.
    gc.set_threshold(50_000)
    events = event_log(config)
    with closing(events):
        try:
            made = _parts(config, events)
        except ConfigurationError as error:
            events.write(_kind(error), str(error))
            raise
        with closing(made.journal), closing(made.link), ExitStack() as forests:
            for forest in made.forests.values():
                forests.callback(forest.close)
            yield made


def _parts(config: AgentConfig, events: EventLog) -> Parts:
    identity = load_identity(config.state_dir)
    keys = KeyStore.load(config.state_dir / "keys", timedelta(seconds=config.key_life_s))
    forests = {
        forest.name: Forest(forest, forest.servers_with_password(), config.protected, config.capacity + 1)
        for forest in config.forest
    }
    clock = SystemClock()
    link = Link(http_client(config.ca_file, config.proxy), identity, config.portal or identity.portal, keys.sign, clock)
    screen = Screen(config.passwords, identity=identity, state_dir=config.state_dir, events=events)
    return Parts(config, identity, keys, forests, screen, journal(config), events, link, clock)


def _kind(error: ConfigurationError) -> Kind:
    if isinstance(error, KeyDamaged):
        return Kind.CRYPTO_ERROR
    return Kind.CREDENTIAL_TOO_LONG if isinstance(error, ServicePasswordTooLong) else Kind.CONFIGURATION_ERROR


@contextmanager
def alone(state_dir: Path) -> Iterator[None]:
    """Only one process at a time works as this agent: two would take each other's requests for those of a dead one.

    Raises ConfigurationError when another one does.
    """
    descriptor = os.open(state_dir / "running.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ConfigurationError(f"{state_dir}: this agent is running already") from None
    try:
        yield
    finally:
        os.close(descriptor)
