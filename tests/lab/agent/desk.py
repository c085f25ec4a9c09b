"""The portal's side of one request in a few lines: it signs, seals, grants, and remembers what it is told."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from keyback.agent.clock import SystemClock
from keyback.agent.config import ForestConfig, Limits, Passwords, Protected
from keyback.agent.events import Event, EventLog, read_events
from keyback.agent.exchange import Cause, Unreachable
from keyback.agent.files import make_private_directory
from keyback.agent.forests import Forest as AgentForest
from keyback.agent.identity import Identity
from keyback.agent.journal import Journal
from keyback.agent.keys import KeyStore
from keyback.agent.screen import Screen
from keyback.agent.switch import Switch
from keyback.agent.writeback import Writeback
from keyback.protocol.encoding import b64decode, b64encode
from keyback.protocol.messages import (
    Before,
    BoxRef,
    Envelope,
    Flags,
    Operation,
    Outcome,
    OutcomeReceipt,
    Work,
    WriteGrant,
    WriteIntent,
)
from keyback.protocol.sealing import Sealed, box_info, load_unseal_key, seal
from keyback.protocol.signing import sign_envelope
from lab import Forest

EVERYTHING = Limits(operations=frozenset(Operation), per_hour=1000, per_day=1000)


@dataclass
class Order:
    """One request as the portal made it, with what is needed to hand it out again."""

    envelope: Envelope
    signature: bytes
    box: bytes | None

    @property
    def tracking_id(self) -> UUID:
        return self.envelope.tracking_id

    def work(self, fence: int = 1, *, before: Before | None = None, remaining_ms: int = 60_000) -> Work:
        return Work(
            kind="resolve" if before else "execute",
            request_id=self.envelope.request_id,
            fence=fence,
            envelope=b64encode(self.envelope.to_bytes()),
            signature=b64encode(self.signature),
            box=None if self.box is None else b64encode(self.box),
            before=before,
            remaining_ms=remaining_ms,
        )


@dataclass
class Desk:
    """An organization with one forest and one agent. ``reachable``: whether the agent's calls arrive."""

    forest: Forest
    folder: Path
    limits: Limits = EVERYTHING
    protected: Protected = field(default_factory=Protected)
    passwords: Passwords = field(default_factory=lambda: Passwords(mode="off"))
    """Most tests here are about the directory's own rules."""
    grant_ms: int = 10_000
    granted: bool = True
    reachable: bool = True

    def __post_init__(self) -> None:
        make_private_directory(self.folder)
        self.key = Ed25519PrivateKey.generate()
        self.organization_id, self.agent_id, self.forest_id = uuid4(), uuid4(), uuid4()
        self.identity = Identity(
            agent_id=self.agent_id,
            organization_id=self.organization_id,
            organization="Example",
            name="agent",
            portal="http://127.0.0.1:1",
            portal_key=self.key.public_key(),
            audience="http://127.0.0.1:1/agents/v1/token",
            fingerprint="",
            forests={self.forest_id: self.forest.dns_domain},
        )
        self.clock = SystemClock()
        self.keys = KeyStore.create(self.folder, timedelta(days=1), self.clock.now())
        self.seals_for = self.keys
        self.outcomes: list[Outcome] = []
        self.intents: list[WriteIntent] = []
        self.start()

    def start(self, **replaced: str) -> None:
        """The agent, from what is on disk; again after `crash`. ``replaced``: values of its forest's configuration."""
        values: dict[str, object] = {
            "name": self.forest.dns_domain,
            "domains": (self.forest.dns_domain,),
            "servers": (self.forest.ldaps_url,),
            "ca_file": self.forest.ca_file,
            "bind_dn": self.forest.service_dn,
            "password_file": self.forest.service_password_file,
            "base_dns": (self.forest.people_dn,),
        }
        config = ForestConfig.model_validate(values | replaced)
        self.journal = Journal(self.folder / "journal.sqlite")
        self.log = EventLog(self.folder, self.clock)
        self.agent_forest = AgentForest(config, config.servers_with_password(), self.protected, 4)
        self.agent = Writeback(
            identity=self.identity,
            keys=self.keys,
            forests={config.name: self.agent_forest},
            switch=Switch(self.folder, [config.name]),
            limits=self.limits,
            screen=Screen(self.passwords, identity=self.identity, state_dir=self.folder, events=self.log),
            journal=self.journal,
            events=self.log,
            portal=self,
            clock=self.clock,
        )

    def close(self) -> None:
        self.agent_forest.close()
        self.journal.close()
        self.log.close()

    # --- what the agent calls

    def ask_to_write(self, request_id: UUID, intent: WriteIntent) -> WriteGrant:
        self._arrive()
        self.intents.append(intent)
        return WriteGrant(granted=self.granted, remaining_ms=self.grant_ms if self.granted else 0)

    def report(self, outcome: Outcome) -> OutcomeReceipt:
        self._arrive()
        self.outcomes.append(outcome)
        return OutcomeReceipt(result="recorded")

    def _arrive(self) -> None:
        if not self.reachable:
            raise Unreachable("the test pulled the plug", Cause.NETWORK)

    # --- what tests say

    def order(
        self,
        object_guid: UUID,
        operation: Operation = Operation.RESET,
        password: str | None = None,
        /,
        *,
        current: str | None = None,
        unlock: bool = False,
        must_change: bool = False,
        initiator: str = "self",
        password_version: int | None = None,
        tracking_id: UUID | None = None,
        **changed: object,
    ) -> Order:
        """A signed request. ``changed``: fields of the envelope that are put in after the box was sealed."""
        envelope = Envelope(
            request_id=uuid4(),
            tracking_id=tracking_id or uuid4(),
            organization_id=self.organization_id,
            forest_id=self.forest_id,
            object_guid=object_guid,
            operation=operation,
            flags=Flags(unlock=unlock, must_change=must_change),
            initiator=initiator,
            deadline=2_000_000_000,
            password_version=password_version,
        )
        box = None
        if password is not None or current is not None:
            key = self.seals_for.newest()
            info = box_info(envelope, self.agent_id, key.key)
            box = seal(Sealed(new=password, current=current), load_unseal_key(b64decode(key.public)), info)
            reference = BoxRef(key=key.key, sha256=hashlib.sha256(box).hexdigest())
            envelope = envelope.model_copy(update={"boxes": {self.agent_id: reference}})
        envelope = envelope.model_copy(update=changed)
        return Order(envelope, sign_envelope(self.key, envelope.to_bytes()), box)

    def do(self, order: Order, fence: int = 1, **options: object) -> Outcome:
        """Hands the request to the agent and returns what it answers."""
        told = len(self.outcomes)
        self.agent.carry_out(order.work(fence, **options))  # type: ignore[arg-type]  # as Order.work takes them
        assert len(self.outcomes) == told + 1, "the agent answered nothing"
        return self.outcomes[-1]

    def events(self, order: Order | None = None) -> list[Event]:
        return list(read_events(self.folder, tracking_id=str(order.tracking_id) if order else None))

    def story(self, order: Order) -> list[str]:
        """The numbers of the events of one operation, in order."""
        return [event.id for event in self.events(order)]
