"""Whether this agent takes requests, for each of its forests. Synchronisation goes on either way.

The switch stands in a small file that the running agent and ``keyback agent writeback`` share. The portal has one of
its own, which is followed: off there destroys the keys here, on again makes new ones. A forest that came into the
agent's file after onboarding is *added*: it is synchronised, and its requests are refused (6329 0x8023061f) until
writeback is switched on anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from keyback.agent.catalogue import Kind
from keyback.agent.config import AgentConfig
from keyback.agent.domains import domains_told
from keyback.agent.events import Events
from keyback.agent.exchange import InvalidAnswer, LinkError, Refused
from keyback.agent.files import read_private, write_private
from keyback.agent.identity import Identity, learn_forests
from keyback.agent.journal import Journal
from keyback.agent.keys import KeyStore
from keyback.errors import ConfigurationError, KeybackError
from keyback.protocol.messages import ForestStates, Served, ServedForest, UnsealKey

__all__ = ["State", "Switch", "SwitchFailed", "Switchboard"]

_FILE = "writeback.json"


class SwitchFailed(KeybackError):
    """It could not be switched to the end, and why; an event says the same."""

    code = "switch_failed"


class State(StrEnum):
    """``OFF_BY_PORTAL``: switched off there, and on again as soon as it is there."""

    ON = "on"
    OFF = "off"
    OFF_BY_PORTAL = "off_by_portal"
    ADDED = "added"


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    forests: dict[str, State]


class Switch:
    """The file in ``state_dir``. It is read each time, which costs less than a hundredth of a request."""

    def __init__(self, state_dir: Path, onboarded: Iterable[str]) -> None:
        """``onboarded``: the forests of an agent that was onboarded before there was a file."""
        self._path = state_dir / _FILE
        self._onboarded = tuple(onboarded)

    def states(self) -> dict[str, State]:
        """Raises ConfigurationError for a damaged file."""
        if not self._path.exists():
            return dict.fromkeys(self._onboarded, State.ON)
        try:
            return _Stored.model_validate_json(read_private(self._path)).forests
        except ValidationError:
            raise ConfigurationError(f"{self._path}: damaged; run 'keyback agent writeback on' or off") from None

    def of(self, forest: str) -> State:
        return self.states().get(forest, State.ADDED)

    def store(self, states: dict[str, State]) -> None:
        """Raises OSError."""
        write_private(self._path, json.dumps({"forests": states}, indent=2).encode())


class SwitchDoor(Protocol):
    """What of the link the switch needs."""

    def serve(self, served: Served) -> ForestStates: ...


class Switchboard:
    """Moves the switch, and tells the portal and the log."""

    def __init__(
        self,
        *,
        config: AgentConfig,
        identity: Identity,
        keys: KeyStore,
        link: SwitchDoor,
        journal: Journal,
        events: Events,
    ) -> None:
        self._config = config
        self._journal = journal
        self._identity = identity
        self._keys = keys
        self._link = link
        self._events = events
        self.switch = Switch(config.state_dir, identity.forests.values())

    def agree(self, now: datetime) -> None:
        """Tells the portal how the switch stands, learns of new forests, and follows the portal's own switch. Raises
        LinkError, OSError and ConfigurationError."""
        states = self.switch.states()
        answer = self._say(states)
        on_there = {forest.name.lower(): forest.writeback for forest in answer.forests}
        closed = [name for name, on in on_there.items() if not on and states.get(name) is State.ON]
        opened = [name for name, on in on_there.items() if on and states.get(name) is State.OFF_BY_PORTAL]
        if closed:
            names = ", ".join(closed)
            self._events.write(Kind.OFFBOARDING_START, "The portal has switched writeback off.", forests=names)
            self._close(states | dict.fromkeys(closed, State.OFF_BY_PORTAL))
            self._events.write(Kind.OFFBOARDING_SUCCESS, forests=names)
        elif opened:
            names = ", ".join(opened)
            self._events.write(Kind.ONBOARDING_START, "The portal has switched writeback on.", forests=names)
            self._open(states | dict.fromkeys(opened, State.ON), now)
            self._events.write(Kind.ONBOARDING_SUCCESS, forests=names)

    def on(self, now: datetime) -> list[str]:
        """With new keys, for every forest of the agent's file; those for which it is on now, which needs the portal's
        own switch too. Raises SwitchFailed."""
        names = self._names()
        self._events.write(Kind.ONBOARDING_START, "Writeback is being switched on.", forests=", ".join(names))
        try:
            answer = self._open(dict.fromkeys(names, State.ON), now)
        except LinkError as error:
            raise self._failed(_link_kind(error, Kind.ONBOARDING_UNREACHABLE), str(error)) from None
        except OSError as error:
            raise self._failed(Kind.CRYPTO_ERROR, f"the new key could not be stored: {error.strerror}") from None
        on_there = {forest.name.lower() for forest in answer.forests if forest.writeback}
        known = {forest.name.lower() for forest in answer.forests}
        for name in names:
            if name not in known:
                self._events.write(
                    Kind.FOREST_UNKNOWN, f"{name}: an administrator of the portal has to allow it first", forest=name
                )
        ready = [name for name in names if name in on_there]
        if ready:
            self._events.write(Kind.ONBOARDING_SUCCESS, "Writeback is on.", forests=", ".join(ready))
        return ready

    def off(self) -> None:
        """Here at once, the keys destroyed; then in the portal. Raises SwitchFailed."""
        names = self._names()
        self._events.write(Kind.OFFBOARDING_START, forests=", ".join(names))
        try:
            self._close(dict.fromkeys(names, State.OFF))
            self._say(self.switch.states())
        except LinkError as error:
            self._failed(_link_kind(error, Kind.OFFBOARDING_UNREACHABLE), str(error))
            raise self._failed(
                Kind.OFFBOARDING_FAIL, f"off here, but the portal could not be told, and is as soon as it can: {error}"
            ) from None
        except OSError as error:
            raise self._failed(Kind.OFFBOARDING_FAIL, f"the keys could not be destroyed: {error.strerror}") from None
        self._events.write(Kind.AUTH_TOKEN_SUCCESS)
        self._events.write(Kind.OFFBOARDING_SUCCESS, forests=", ".join(names))

    def _names(self) -> list[str]:
        return [forest.name for forest in self._config.forest]

    def _open(self, states: dict[str, State], now: datetime) -> ForestStates:
        key = self._keys.renew(now)
        self._events.write(Kind.KEY_PAIR_CREATED, key=key.key)
        answer = self._say(states, key)
        self._events.write(Kind.AUTH_TOKEN_SUCCESS)
        self._keys.announced(key.key, now)
        self.switch.store(states)
        return answer

    def _close(self, states: dict[str, State]) -> None:
        self.switch.store(states)
        if State.ON not in states.values():
            self._keys.destroy()

    def _say(self, states: dict[str, State], key: UnsealKey | None = None) -> ForestStates:
        served = Served(
            forests=[
                ServedForest(
                    name=one.name,
                    domains=domains_told(self._journal, one),
                    writeback=_told(states.get(one.name)),
                )
                for one in self._config.forest
            ],
            unseal=key,
        )
        answer = self._link.serve(served)
        learn_forests(self._config.state_dir, self._identity, answer.forests)
        return answer

    def _failed(self, kind: Kind, reason: str) -> SwitchFailed:
        self._events.write(kind, f"{kind.value.meaning} {reason}")
        return SwitchFailed(f"{kind.value.id} {kind.value.name}: {reason}. {kind.value.repair}")


def _told(state: State | None) -> Literal["on", "off", "added"]:
    match state:
        case State.ON | State.OFF_BY_PORTAL:  # the latter comes back with the portal's own switch
            return "on"
        case State.OFF:
            return "off"
    return "added"


def _link_kind(error: LinkError, unreachable: Kind) -> Kind:
    match error:
        case InvalidAnswer():
            return Kind.INVALID_ANSWER
        case Refused():
            return Kind.AUTH_REFUSED
    return unreachable
