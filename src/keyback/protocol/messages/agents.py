"""How an agent comes, what it serves and with which keys, how it is, and how it leaves."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from keyback.protocol.messages._base import B64, KeyId, Message, Seq, Text

__all__ = [
    "ForestName",
    "ForestState",
    "ForestStates",
    "Heartbeat",
    "NewKey",
    "Offboarding",
    "Onboarded",
    "Onboarding",
    "OnboardingForest",
    "Served",
    "ServedForest",
    "Token",
    "UnsealKey",
]


class UnsealKey(Message):
    """``public``: uncompressed P-256 point, base64url. ``life_s``: how long pages may seal for it.

    ``signature``: by the agent's signing key (signing.sign_unsealing_key), so that no other key is ever sealed for.
    """

    key: KeyId
    public: B64
    signature: B64
    life_s: Annotated[int, Field(ge=60, le=100 * 86_400)]


class OnboardingForest(Message):
    """``name``: DNS name of the forest's root domain. ``domains``: DNS names; user IDs ending in them live here."""

    name: Text
    domains: Annotated[list[Text], Field(max_length=100)] = []


class Onboarding(Message):
    """POST /agents/v1/onboard, with ``Keyback-Signature`` by the key in it. The one-time code is worth one use."""

    code: Annotated[str, Field(min_length=8, max_length=64)]
    name: Annotated[str, Field(min_length=1, max_length=100)]
    version: Text
    sign_public: B64
    unseal: UnsealKey
    forests: Annotated[list[OnboardingForest], Field(min_length=1, max_length=50)]


class ForestName(Message):
    id: UUID
    name: Text


class Onboarded(Message):
    """The agent pins ``portal_public``: requests signed by any other key are refused from now on."""

    agent_id: UUID
    organization_id: UUID
    organization: Text
    portal_public: B64
    audience: Text
    fingerprint: Text
    forests: list[ForestName]


class Token(Message):
    """RFC 6749 section 5.1."""

    access_token: Text
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 (not a secret, the type's name)
    expires_in: int


class NewKey(Message):
    """POST /agents/v1/keys: the next unsealing key; the portal seals for the newest."""

    unseal: UnsealKey


class ServedForest(OnboardingForest):
    """``writeback``: the agent's own switch. ``added``: in the agent's file, but never switched on; requests come, and
    are refused by the agent, which says why."""

    writeback: Literal["on", "off", "added"]


class Served(Message):
    """POST /agents/v1/forests: all that the agent serves now. ``unseal``: a new key in place of all others; it comes
    with switching writeback on. Where every forest is off the portal forgets the agent's keys."""

    forests: Annotated[list[ServedForest], Field(min_length=1, max_length=50)]
    unseal: UnsealKey | None = None


class ForestState(ForestName):
    """``writeback``: the portal's own switch."""

    writeback: bool


class ForestStates(Message):
    """Those that this agent may serve; one that others served before it came has to be allowed in the portal."""

    forests: list[ForestState]


class Offboarding(Message):
    """POST /agents/v1/offboard: the agent leaves, for good."""


class Heartbeat(Message):
    """POST /agents/v1/heartbeat. A closed set of fields, none about a person."""

    version: Text
    uptime_s: Seq
    requests_done: Seq
    requests_refused: Seq
    requests_unresolved: Seq
    last_sync_people: Seq
    last_sync_age_s: Seq | None
    forests_reachable: Annotated[int, Field(ge=0, le=1000)]
    forests: Annotated[int, Field(ge=0, le=1000)]
    paused: bool
