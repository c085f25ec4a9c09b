"""Making an agent known to its portal: keys are made here, their public halves are posted with a one-time code."""

from __future__ import annotations

from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

from keyback.agent.catalogue import Kind
from keyback.agent.clock import Clock
from keyback.agent.config import AgentConfig
from keyback.agent.events import Events
from keyback.agent.exchange import InvalidAnswer, LinkError, Refused, Revoked, http_client
from keyback.agent.files import make_private_directory
from keyback.agent.identity import Identity, forget_identity, store_identity
from keyback.agent.keys import KeyStore
from keyback.agent.link import Link, onboard
from keyback.agent.switch import State, Switch
from keyback.errors import ConfigurationError, KeybackError
from keyback.protocol.encoding import b64decode, b64encode
from keyback.protocol.errors import Malformed
from keyback.protocol.messages import Onboarded, Onboarding, OnboardingForest
from keyback.protocol.signing import fingerprint, public_bytes

__all__ = ["OffboardingFailed", "OnboardingFailed", "offboard_agent", "onboard_agent"]


class OnboardingFailed(KeybackError):
    """It did not work, and why; an event says the same."""

    code = "onboarding_failed"


class OffboardingFailed(KeybackError):
    """It did not work, and why; events say the same. Nothing was destroyed."""

    code = "offboarding_failed"


def offboard_agent(state_dir: Path, keys: KeyStore, link: Link, events: Events) -> None:
    """The portal shuts this agent out, on its own word; then its keys are destroyed. Raises OffboardingFailed."""
    events.write(Kind.OFFBOARDING_START, "This agent is leaving the portal.")
    try:
        link.offboard()
    except Revoked:
        pass  # an administrator has shut it out already
    except LinkError as error:
        refused = Kind.AUTH_REFUSED if isinstance(error, Refused) else Kind.OFFBOARDING_UNREACHABLE
        kind = Kind.INVALID_ANSWER if isinstance(error, InvalidAnswer) else refused
        events.write(kind, f"{kind.value.meaning} {error}")
        raise _not_offboarded(events, str(error)) from None
    events.write(Kind.AUTH_TOKEN_SUCCESS)
    try:
        keys.destroy()
        forget_identity(state_dir)
        keys.forget()
    except OSError as error:
        raise _not_offboarded(events, f"the portal has shut it out, but {state_dir}: {error.strerror}") from None
    events.write(Kind.OFFBOARDING_SUCCESS, "This agent has left the portal, and its keys are gone.")


def _not_offboarded(events: Events, reason: str) -> OffboardingFailed:
    kind = Kind.OFFBOARDING_FAIL
    events.write(kind, f"{kind.value.meaning} {reason}")
    return OffboardingFailed(f"{kind.value.id} {kind.value.name}: {reason}. {kind.value.repair}")


def onboard_agent(config: AgentConfig, portal: str, code: str, events: Events, clock: Clock) -> Identity:
    """New keys, told to the portal; what it answers is stored. Raises OnboardingFailed."""
    events.write(Kind.ONBOARDING_START, portal=portal)
    keys = _make_keys(config, events, clock)
    message = Onboarding(
        code=code,
        name=config.name,
        version=version("keyback"),
        sign_public=b64encode(public_bytes(keys.sign)),
        unseal=keys.newest(),
        forests=[OnboardingForest(name=forest.name, domains=list(forest.domains)) for forest in config.forest],
    )
    onboarded = _ask(config, portal, message, keys, events)
    events.write(Kind.AUTH_TOKEN_SUCCESS)
    try:
        # Only now: a code that is refused must not cost an agent that works its keys.
        make_private_directory(config.state_dir / "keys")
        keys.move(config.state_dir / "keys")
        identity = store_identity(config.state_dir, name=config.name, portal=portal, onboarded=onboarded)
        names = [forest.name for forest in config.forest]
        Switch(config.state_dir, names).store(dict.fromkeys(names, State.ON))
    except (OSError, ConfigurationError) as error:
        reason = str(error) if isinstance(error, ConfigurationError) else f"{config.state_dir}: {error.strerror}"
        raise _failed(events, Kind.ONBOARDING_NOT_STORED, reason) from None
    except Malformed as error:
        raise _failed(events, Kind.INVALID_ANSWER, f"the portal's key: {error}") from None
    events.write(Kind.ONBOARDING_SUCCESS, agent=str(identity.agent_id), organization=identity.organization)
    return identity


def _make_keys(config: AgentConfig, events: Events, clock: Clock) -> KeyStore:
    folder = config.state_dir / "keys.next"
    try:
        make_private_directory(folder)
        keys = KeyStore.create(folder, timedelta(seconds=config.key_life_s), clock.now())
    except (OSError, ConfigurationError) as error:
        reason = str(error) if isinstance(error, ConfigurationError) else f"{folder}: {error.strerror}"
        raise _failed(events, Kind.CRYPTO_ERROR, reason) from None
    events.write(Kind.KEY_PAIR_CREATED, key=keys.newest().key)
    return keys


def _ask(config: AgentConfig, portal: str, message: Onboarding, keys: KeyStore, events: Events) -> Onboarded:
    try:
        with http_client(config.ca_file, config.proxy) as client:
            onboarded = onboard(client, portal, message, keys.sign)
    except Refused as error:
        raise _failed(events, Kind.AUTH_REFUSED, str(error)) from None
    except InvalidAnswer as error:
        raise _failed(events, Kind.INVALID_ANSWER, str(error)) from None
    except LinkError as error:
        raise _failed(events, Kind.ONBOARDING_UNREACHABLE, str(error)) from None
    if onboarded.fingerprint != _fingerprint(keys, onboarded):
        # Somebody between them put a key of their own in the place of one of them.
        raise _failed(events, Kind.INVALID_ANSWER, "the portal has another key fingerprint than this agent")
    return onboarded


def _fingerprint(keys: KeyStore, onboarded: Onboarded) -> str:
    try:
        return fingerprint(public_bytes(keys.sign), b64decode(onboarded.portal_public))
    except Malformed:
        return ""


def _failed(events: Events, kind: Kind, reason: str) -> OnboardingFailed:
    events.write(kind, f"{kind.value.meaning} {reason}")
    return OnboardingFailed(f"{kind.value.id} {kind.value.name}: {reason}. {kind.value.repair}")
