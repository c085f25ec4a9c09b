"""The two ceremonies of WebAuthn, each begun with options for the browser and completed with its answer.

User verification (fingerprint, face, PIN) is required, so that a passkey is two factors by itself; it must be
discoverable, so that the list of allowed ones can be empty and tells nobody which account has one. Attestation is not
asked for: synced passkeys have none, and people's devices are their own business.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import webauthn
from django.conf import settings
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from keyback.errors import KeybackError
from keyback.portal.people.contacts import place_of
from keyback.portal.people.models import Person

__all__ = ["AnswerRefused", "Made", "answer_to", "credential_id", "lookup", "make", "to_make", "to_use", "use"]


class AnswerRefused(KeybackError):
    """What the browser sent is no answer to this challenge."""

    code = "answer_refused"


@dataclass(frozen=True, slots=True)
class Made:
    """A new passkey. ``synced``: it may be on several devices of its owner."""

    id: bytes
    public_key: bytes
    counter: int
    synced: bool


def to_make(person: Person, challenge: bytes, have: Sequence[bytes]) -> dict[str, Any]:
    """Options for ``navigator.credentials.create``. ``have``: ids that are on file already."""
    options = webauthn.generate_registration_options(
        rp_id=settings.CONFIG.host,
        rp_name=settings.CONFIG.product,
        user_id=_handle(person),
        user_name=person.user_id,
        user_display_name=person.display_name or person.user_id,
        challenge=challenge,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=one) for one in have],
    )
    return _json(options)


def make(answer: dict[str, Any], challenge: bytes) -> Made:
    """Raises AnswerRefused."""
    try:
        made = webauthn.verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=settings.CONFIG.host,
            expected_origin=settings.CONFIG.origin,
            require_user_verification=True,
        )
    except Exception as error:
        # Parsers of three formats met a stranger's bytes; whatever they say, it is no answer.
        raise AnswerRefused(f"no passkey: {type(error).__name__}") from None
    synced = made.credential_device_type is CredentialDeviceType.MULTI_DEVICE
    return Made(made.credential_id, made.credential_public_key, made.sign_count, synced)


def to_use(challenge: bytes) -> dict[str, Any]:
    """Options for ``navigator.credentials.get``: the same for everybody but for the challenge."""
    options = webauthn.generate_authentication_options(
        rp_id=settings.CONFIG.host, challenge=challenge, user_verification=UserVerificationRequirement.REQUIRED
    )
    return _json(options)


def use(answer: dict[str, Any], challenge: bytes, public_key: bytes, counter: int) -> int:
    """The passkey's own counter afterwards: 0 where it has none, as synced ones, and otherwise greater than
    ``counter``. Raises AnswerRefused."""
    try:
        used = webauthn.verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=settings.CONFIG.host,
            expected_origin=settings.CONFIG.origin,
            credential_public_key=public_key,
            credential_current_sign_count=counter,
            require_user_verification=True,
        )
    except Exception as error:
        raise AnswerRefused(f"no proof: {type(error).__name__}") from None
    return used.new_sign_count


def answer_to(text: str) -> dict[str, Any]:
    """What the page's script posted. Raises AnswerRefused."""
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        raise AnswerRefused("not JSON") from None
    if not isinstance(answer, dict):
        raise AnswerRefused("not an object")
    return answer


def credential_id(answer: dict[str, Any]) -> bytes:
    """The id that the answer names; empty where it names none."""
    try:
        return base64url_to_bytes(answer["rawId"])
    except (KeyError, ValueError, TypeError, AttributeError):
        return b""


def lookup(person: Person, id: bytes) -> bytes:
    """What finds a passkey again: 32 bytes."""
    digest: bytes = settings.KEYRING.blind_index("passkey", str(person.organization_id), bytes_to_base64url(id))
    return digest


def _handle(person: Person) -> bytes:
    """By which a device tells accounts apart. It says nothing about the person, and is the same each time."""
    digest: bytes = settings.KEYRING.blind_index("passkey owner", str(person.organization_id), place_of(person))
    return digest


def _json(options: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(webauthn.options_to_json(options))
    return found
