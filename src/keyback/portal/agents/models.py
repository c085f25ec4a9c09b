"""The agents of an organization, their keys and their tokens. Only public halves are here."""

from __future__ import annotations

import uuid

from django.db import models

from keyback.portal.organizations.models import Forest, Organization

__all__ = ["Agent", "AgentForest", "AgentToken", "AssertionId", "OnboardingCode", "UnsealingKey"]


class Agent(models.Model):
    """``pending``: no boxes, requests or pushes until an administrator has compared its key fingerprint."""

    class State(models.TextChoices):
        PENDING = "pending"
        CONFIRMED = "confirmed"
        REVOKED = "revoked"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="agents")
    name = models.CharField(max_length=100)
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    sign_public = models.BinaryField(max_length=32)
    fingerprint = models.CharField(max_length=40)
    # By the people's door's signing key, when an administrator has compared the fingerprint. Nothing is sealed without.
    confirmation = models.BinaryField(max_length=64, null=True)
    version = models.CharField(max_length=256, blank=True)
    # Of the protocol, as it named it when it last asked for a token.
    protocol = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True)
    confirmed_by = models.CharField(max_length=100, blank=True)
    revoked_at = models.DateTimeField(null=True)
    last_seen_at = models.DateTimeField(null=True)
    # Only grows, so that a captured push cannot be played again.
    push_seq = models.BigIntegerField(default=0)
    heartbeat = models.JSONField(default=dict)
    heartbeat_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["organization", "state"])]

    def __str__(self) -> str:
        return self.name


class AgentForest(models.Model):
    """``writeback``: whether the agent takes requests for this forest. Its people are synchronised either way.
    ``domains``: of the user IDs that live there, as the agent has found them, or its file has them; for what strangers
    are shown."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="forests")
    forest = models.ForeignKey(Forest, models.CASCADE, related_name="agents")
    writeback = models.BooleanField(default=True)
    domains = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["agent", "forest"], name="agent_serves_forest_once")]


class UnsealingKey(models.Model):
    """A P-256 public key (uncompressed point) that pages may seal for until ``expires_at``."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="keys")
    key = models.CharField(max_length=64)
    public = models.BinaryField(max_length=65)
    # By the agent's signing key.
    signature = models.BinaryField(max_length=64)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["agent", "key"], name="agent_key_once")]


class OnboardingCode(models.Model):
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    code_hmac = models.BinaryField(max_length=32, unique=True)
    made_by = models.CharField(max_length=100)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)


class AgentToken(models.Model):
    """A bearer, of which only the SHA-256 is kept (it has 256 random bits, so it needs no key)."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="tokens")
    token_sha256 = models.BinaryField(max_length=32, unique=True)
    expires_at = models.DateTimeField(db_index=True)


class AssertionId(models.Model):
    """A ``jti`` that was used (RFC 7523 section 3): once."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="+")
    jti = models.CharField(max_length=64)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["agent", "jti"], name="assertion_once")]
