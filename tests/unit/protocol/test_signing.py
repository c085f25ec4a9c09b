"""A signature fits one purpose, one agent, one path and one body."""

from __future__ import annotations

import uuid

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from keyback.protocol.errors import Forged, Malformed
from keyback.protocol.signing import (
    fingerprint,
    load_public_key,
    public_bytes,
    sign_agent_call,
    sign_confirmation,
    sign_envelope,
    sign_onboarding,
    sign_unsealing_key,
    verify_agent_call,
    verify_confirmation,
    verify_envelope,
    verify_onboarding,
    verify_unsealing_key,
)

KEY = Ed25519PrivateKey.generate()
PUBLIC = KEY.public_key()
AGENT = uuid.UUID(int=1)


def test_what_was_signed_verifies() -> None:
    verify_envelope(PUBLIC, b"request", sign_envelope(KEY, b"request"))
    verify_onboarding(PUBLIC, b"body", sign_onboarding(KEY, b"body"))
    verify_agent_call(PUBLIC, AGENT, "/p", b"body", sign_agent_call(KEY, AGENT, "/p", b"body"))


@pytest.mark.parametrize(
    ("agent", "path", "body"),
    [(uuid.UUID(int=2), "/p", b"body"), (AGENT, "/q", b"body"), (AGENT, "/p", b"body2"), (AGENT, "/p", b"")],
)
def test_a_call_signed_for_one_agent_path_and_body_is_forged_for_another(
    agent: uuid.UUID, path: str, body: bytes
) -> None:
    header = sign_agent_call(KEY, AGENT, "/p", b"body")
    with pytest.raises(Forged):
        verify_agent_call(PUBLIC, agent, path, body, header)


def test_a_signature_of_one_purpose_never_fits_another() -> None:
    with pytest.raises(Forged):
        verify_onboarding(PUBLIC, b"body", sign_agent_call(KEY, AGENT, "/p", b"body"))
    with pytest.raises(Forged):
        verify_envelope(PUBLIC, b"body", KEY.sign(b"body"))


def test_another_key_is_refused() -> None:
    with pytest.raises(Forged):
        verify_envelope(Ed25519PrivateKey.generate().public_key(), b"request", sign_envelope(KEY, b"request"))


@pytest.mark.parametrize("header", ["", "=", "a b", "é", "QQ==", "A" * 87])
def test_a_header_that_is_no_signature_is_refused(header: str) -> None:
    with pytest.raises((Forged, Malformed)):
        verify_agent_call(PUBLIC, AGENT, "/p", b"body", header)


def test_the_fingerprint_can_be_read_aloud_and_differs_between_keys() -> None:
    portal, other = (public_bytes(Ed25519PrivateKey.generate()) for _ in range(2))
    one = fingerprint(public_bytes(KEY), portal)
    assert len(one.split()) == 8 and {len(group) for group in one.split()} == {4}
    assert one != fingerprint(other, portal) and one != fingerprint(public_bytes(KEY), other)


def test_a_confirmation_is_for_one_agent_of_one_organization_with_one_key() -> None:
    organization, public = uuid.UUID(int=3), public_bytes(Ed25519PrivateKey.generate())
    signature = sign_confirmation(KEY, organization, AGENT, public)
    verify_confirmation(PUBLIC, organization, AGENT, public, signature)
    for wrong in ((AGENT, AGENT, public), (organization, organization, public), (organization, AGENT, public[::-1])):
        with pytest.raises(Forged):
            verify_confirmation(PUBLIC, *wrong, signature)


def test_an_unsealing_key_is_vouched_for_with_its_name() -> None:
    signature = sign_unsealing_key(KEY, "k1", b"point")
    verify_unsealing_key(PUBLIC, "k1", b"point", signature)
    for name, point in (("k2", b"point"), ("k1", b"other")):
        with pytest.raises(Forged):
            verify_unsealing_key(PUBLIC, name, point, signature)


def test_a_key_of_the_wrong_length_is_malformed() -> None:
    with pytest.raises(Malformed):
        load_public_key(b"short")
