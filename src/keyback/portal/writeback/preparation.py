"""The people's door's half of a writeback request: what will be bound, for whom to seal, and the signature.

Only this module uses the request-signing key. Order: :func:`prepare` (the request's id and deadline are allocated
and bound) → the browser seals one box for each target → :func:`submit` signs and queues exactly what was prepared.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from keyback.errors import KeybackError
from keyback.portal import wake
from keyback.portal.agents.registry import Target, sealing_targets
from keyback.portal.organizations.models import Forest
from keyback.portal.people.binding import check_binding
from keyback.portal.people.conflicts import is_ambiguous
from keyback.portal.people.models import Person
from keyback.portal.writeback.models import SealedBox, WritebackRequest
from keyback.protocol.encoding import b64decode, b64encode
from keyback.protocol.limits import QUEUE_LIFE
from keyback.protocol.messages import BoxRef, Envelope, Flags, Following, Operation
from keyback.protocol.sealing import BOX_BYTES, Sealed, box_info, load_unseal_key, seal
from keyback.protocol.signing import sign_envelope

__all__ = [
    "AlreadyWaiting",
    "BoxesRefused",
    "NoAgent",
    "Preparation",
    "decoy",
    "prepare",
    "seal_here",
    "submit",
    "submit_unsealed",
]


class NoAgent(KeybackError):
    """No confirmed agent with a valid key serves this person's forest (SSPR_0010)."""

    code = "no_agent"


class AlreadyWaiting(KeybackError):
    """This person has an unfinished request: there is never more than one."""

    code = "already_waiting"


class BoxesRefused(KeybackError):
    """The boxes are not those that were prepared: another agent, another length, none."""

    code = "boxes_refused"


@dataclass(frozen=True, slots=True)
class Preparation:
    """An envelope without boxes, and the agents to seal for. It survives as JSON beside the flow that made it."""

    envelope: Envelope
    targets: tuple[Target, ...]

    def info(self, target: Target) -> bytes:
        return box_info(self.envelope, target.agent_id, target.key_id)

    def for_page(self) -> list[dict[str, str]]:
        """What the sealing script needs, one entry for each box: agent, key, public point and info (base64url)."""
        return [
            {
                "agent": str(target.agent_id),
                "key": target.key_id,
                "public": b64encode(target.public),
                "info": b64encode(self.info(target)),
            }
            for target in self.targets
        ]

    def to_json(self) -> dict[str, Any]:
        return {
            "envelope": self.envelope.model_dump(mode="json"),
            "targets": [[str(t.agent_id), t.key_id, b64encode(t.public)] for t in self.targets],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Preparation:
        return cls(
            Envelope.model_validate(data["envelope"]),
            tuple(Target(UUID(agent), key, b64decode(public)) for agent, key, public in data["targets"]),
        )


def prepare(
    person: Person,
    operation: Operation,
    *,
    tracking_id: UUID,
    deadline: datetime,
    now: datetime,
    inspect_for: Following = Operation.RESET,
    flags: Flags | None = None,
    initiator: str = "self",
    password_version: int | None = None,
) -> Preparation:
    """Allocates a request for this directory person. ``deadline``: nobody writes after it. ``inspect_for``: what an
    inspection is to be followed by. Raises NoAgent, and PersonBent."""
    if person.forest_id is None or person.object_guid is None:
        raise ValueError("only people whose password is in a directory have writeback requests")
    check_binding(person)
    targets = tuple(sealing_targets(person.organization_id, person.forest_id, now))
    if not targets:
        raise NoAgent("SSPR_0010: no confirmed agent serves this forest, or its writeback is off")
    envelope = Envelope(
        request_id=uuid.uuid4(),
        tracking_id=tracking_id,
        organization_id=person.organization_id,
        forest_id=person.forest_id,
        object_guid=person.object_guid,
        operation=operation,
        inspect_for=inspect_for,
        flags=flags or Flags(),
        initiator=initiator,
        deadline=int(deadline.timestamp()),
        password_version=password_version,
        ambiguous=is_ambiguous(person),
    )
    return Preparation(envelope, targets)


def decoy(forest: Forest, operation: Operation, *, tracking_id: UUID, deadline: datetime, now: datetime) -> Preparation:
    """What the page of somebody unknown is shown, where sealing comes before proof, as in a sign-in. It is never
    submitted. Raises NoAgent where `prepare` would for everybody of this forest."""
    targets = tuple(sealing_targets(forest.organization_id, forest.pk, now))
    if not targets:
        raise NoAgent("SSPR_0010: no confirmed agent serves this forest, or its writeback is off")
    envelope = Envelope(
        request_id=uuid.uuid4(),
        tracking_id=tracking_id,
        organization_id=forest.organization_id,
        forest_id=forest.pk,
        object_guid=uuid.uuid4(),
        operation=operation,
        initiator="self",
        deadline=int(deadline.timestamp()),
    )
    return Preparation(envelope, targets)


def seal_here(preparation: Preparation, passwords: Sealed) -> dict[UUID, bytes]:
    """The boxes of a password that came in clear: typed at a command, or into a page without JavaScript. Raises
    Malformed for one that could never be written."""
    return {
        target.agent_id: seal(passwords, load_unseal_key(target.public), preparation.info(target))
        for target in preparation.targets
    }


def submit(preparation: Preparation, boxes: dict[UUID, bytes], person: Person, now: datetime) -> WritebackRequest:
    """Signs and queues. Every prepared agent must have its box: a missing one would silently narrow who can answer.

    Raises BoxesRefused, or AlreadyWaiting (also when this preparation was submitted before: its id is worth one use).
    """
    targets = {target.agent_id: target for target in preparation.targets}
    if boxes.keys() != targets.keys() or any(len(box) != BOX_BYTES for box in boxes.values()):
        raise BoxesRefused("one box for each prepared agent, of the protocol's length")
    refs = {
        agent_id: BoxRef(key=targets[agent_id].key_id, sha256=hashlib.sha256(box).hexdigest())
        for agent_id, box in boxes.items()
    }
    envelope = preparation.envelope.model_copy(update={"boxes": refs})
    try:
        with transaction.atomic():
            request = _queue(envelope, person, now)
            SealedBox.objects.bulk_create(
                SealedBox(
                    organization_id=person.organization_id,
                    request=request,
                    agent_id=agent_id,
                    key=refs[agent_id].key,
                    box=box,
                )
                for agent_id, box in boxes.items()
            )
    except IntegrityError as error:
        raise AlreadyWaiting("this person has an unfinished request") from error
    return request


def submit_unsealed(preparation: Preparation, person: Person, now: datetime) -> WritebackRequest:
    """Queues an operation that carries no password: inspect, unlock, expire. Raises AlreadyWaiting."""
    if preparation.envelope.operation not in (Operation.INSPECT, Operation.UNLOCK, Operation.EXPIRE):
        raise ValueError("this operation needs boxes")
    try:
        with transaction.atomic():
            return _queue(preparation.envelope, person, now)
    except IntegrityError as error:
        raise AlreadyWaiting("this person has an unfinished request") from error


def _queue(envelope: Envelope, person: Person, now: datetime) -> WritebackRequest:
    signed = envelope.to_bytes()
    deadline = datetime.fromtimestamp(envelope.deadline, UTC)
    request = WritebackRequest.objects.create(
        id=envelope.request_id,
        organization_id=person.organization_id,
        forest_id=envelope.forest_id,
        person=person,
        tracking_id=envelope.tracking_id,
        operation=envelope.operation.value,
        envelope=signed,
        signature=sign_envelope(settings.KEYRING.requests, signed),
        expires_at=min(deadline, now + timedelta(seconds=QUEUE_LIFE)),
        deadline=deadline,
        created_at=now,
    )
    transaction.on_commit(partial(wake.notify, f"work:{person.organization_id}"))
    return request
