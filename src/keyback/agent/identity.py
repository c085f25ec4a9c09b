"""Who this agent is to its portal: fixed at onboarding, the portal's key pinned with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, ValidationError

from keyback.agent.files import read_private, write_private
from keyback.errors import ConfigurationError
from keyback.protocol.encoding import b64decode
from keyback.protocol.errors import Malformed
from keyback.protocol.messages import ForestName, Onboarded
from keyback.protocol.signing import load_public_key

__all__ = ["Identity", "forget_identity", "learn_forests", "load_identity", "store_identity"]

_FILE = "identity.json"


@dataclass(frozen=True, slots=True)
class Identity:
    """``portal_key`` signs the requests that this agent believes. ``forests``: the portal's number of each name; it
    grows (`learn_forests`)."""

    agent_id: UUID
    organization_id: UUID
    organization: str
    name: str
    portal: str
    portal_key: Ed25519PublicKey
    audience: str
    fingerprint: str
    forests: dict[UUID, str]

    def forest_id(self, name: str) -> UUID | None:
        return next((number for number, known in self.forests.items() if known == name), None)


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str
    portal: str
    onboarded: Onboarded


def store_identity(state_dir: Path, *, name: str, portal: str, onboarded: Onboarded) -> Identity:
    """Keeps what the portal answered to onboarding. Raises OSError and Malformed."""
    stored = _Stored(name=name, portal=portal, onboarded=onboarded)
    identity = _identity(stored)
    write_private(state_dir / _FILE, stored.model_dump_json(indent=2).encode())
    return identity


def forget_identity(state_dir: Path) -> None:
    """After leaving. Raises OSError."""
    (state_dir / _FILE).unlink(missing_ok=True)


def learn_forests(state_dir: Path, identity: Identity, forests: Iterable[ForestName]) -> bool:
    """Keeps the numbers of forests that this agent may serve since. True for new ones. Raises OSError and
    ConfigurationError."""
    new = [forest for forest in forests if forest.id not in identity.forests]
    if not new:
        return False
    path = state_dir / _FILE
    try:
        stored = _Stored.model_validate_json(read_private(path))
    except ValidationError:
        raise ConfigurationError(f"{path}: damaged; onboard this agent again") from None
    known = [ForestName(id=number, name=name) for number, name in identity.forests.items()]
    onboarded = stored.onboarded.model_copy(
        update={"forests": [*known, *(ForestName(id=forest.id, name=forest.name.lower()) for forest in new)]}
    )
    write_private(path, stored.model_copy(update={"onboarded": onboarded}).model_dump_json(indent=2).encode())
    identity.forests.update({forest.id: forest.name.lower() for forest in new})
    return True


def load_identity(state_dir: Path) -> Identity:
    """Raises ConfigurationError when this agent has not been onboarded, or the file is damaged."""
    path = state_dir / _FILE
    if not path.exists():
        raise ConfigurationError(f"{path}: this agent is not onboarded yet; run 'keyback agent onboard'")
    try:
        return _identity(_Stored.model_validate_json(read_private(path)))
    except (ValidationError, Malformed):
        raise ConfigurationError(f"{path}: damaged; onboard this agent again") from None


def _identity(stored: _Stored) -> Identity:
    onboarded = stored.onboarded
    return Identity(
        agent_id=onboarded.agent_id,
        organization_id=onboarded.organization_id,
        organization=onboarded.organization,
        name=stored.name,
        portal=stored.portal,
        portal_key=load_public_key(b64decode(onboarded.portal_public)),
        audience=onboarded.audience,
        fingerprint=onboarded.fingerprint,
        forests={forest.id: forest.name.lower() for forest in onboarded.forests},
    )
