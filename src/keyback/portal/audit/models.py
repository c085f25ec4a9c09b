"""What happened, for administrators and auditors: rows that only grow, sealed in batches."""

from __future__ import annotations

from django.db import models

from keyback.portal.organizations.models import Organization

__all__ = ["AuditEntry", "AuditPersonal", "AuditSeal"]


class AuditSeal(models.Model):
    """The head of the chain after a batch: ``head = SHA-256(previous head || entries' digests)``, signed."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    number = models.PositiveBigIntegerField()
    sealed_at = models.DateTimeField()
    entries = models.PositiveIntegerField()
    previous_head = models.BinaryField(max_length=32)
    head = models.BinaryField(max_length=32)
    signature = models.BinaryField(max_length=64)
    exported_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "number"], name="one_seal_of_a_number")]
        indexes = [models.Index(fields=["id"], condition=models.Q(exported_at__isnull=True), name="seal_to_export")]


class AuditEntry(models.Model):
    """``activity``: a word of the closed vocabulary. Nothing personal stands here; see AuditPersonal.

    ``position``: its place within its seal. ``personal_hashes``: salted SHA-256 of each personal value."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    at = models.DateTimeField()
    activity = models.CharField(max_length=60)
    result = models.CharField(max_length=10)
    tracking_id = models.UUIDField(null=True)
    actor = models.CharField(max_length=60)
    details = models.JSONField(default=dict)
    personal_hashes = models.JSONField(default=dict)
    seal = models.ForeignKey(AuditSeal, models.PROTECT, null=True, related_name="sealed")
    position = models.PositiveIntegerField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["organization", "at"]),
            models.Index(fields=["organization", "tracking_id"]),
            models.Index(fields=["organization", "id"], condition=models.Q(seal__isnull=True), name="audit_unsealed"),
        ]


class AuditPersonal(models.Model):
    """A personal value that stands beside the chain, encrypted: erase the row and the chain still verifies."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    entry = models.ForeignKey(AuditEntry, models.CASCADE, related_name="personal")
    field = models.CharField(max_length=30)
    salt = models.BinaryField(max_length=16)
    value = models.TextField()
