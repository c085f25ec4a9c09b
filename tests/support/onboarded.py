"""An agent that was onboarded long ago, without a portal: its keys and what it pinned, on disk."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from keyback.agent.config import AgentConfig
from keyback.agent.files import make_private_directory
from keyback.agent.identity import Identity, store_identity
from keyback.agent.keys import KeyStore
from keyback.protocol.encoding import b64encode
from keyback.protocol.messages import ForestName, Onboarded
from keyback.protocol.signing import public_bytes

__all__ = ["onboarded"]


def onboarded(config: AgentConfig) -> Identity:
    """Writes into its state directory."""
    make_private_directory(config.state_dir / "keys")
    KeyStore.create(config.state_dir / "keys", timedelta(days=1), datetime.now(UTC))
    answer = Onboarded(
        agent_id=uuid4(),
        organization_id=uuid4(),
        organization="Example",
        portal_public=b64encode(public_bytes(Ed25519PrivateKey.generate())),
        audience=f"{config.portal}/agents/v1/token",
        fingerprint="",
        forests=[ForestName(id=uuid4(), name=forest.name) for forest in config.forest],
    )
    return store_identity(config.state_dir, name="agent", portal=config.portal or "", onboarded=answer)
