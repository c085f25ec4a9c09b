"""Messages on their way. Address and text are encrypted, and erased at hand-over to mail server or gateway."""

from __future__ import annotations

import uuid

from django.db import models

from keyback.portal.organizations.models import Organization

__all__ = ["Channel", "Message"]


class Channel(models.TextChoices):
    """Each has a worker of its own: one whose server stalls keeps no other waiting."""

    MAIL = "mail"
    SMS = "sms"
    VOICE = "voice"


class Message(models.Model):
    """``discard``: written for an unknown person, so that their rows look like anybody's; never sent."""

    class State(models.TextChoices):
        QUEUED = "queued"
        SENDING = "sending"
        SENT = "sent"
        DEAD = "dead"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    kind = models.CharField(max_length=30)
    channel = models.CharField(max_length=5, choices=Channel, default=Channel.MAIL)
    tracking_id = models.UUIDField(null=True)
    state = models.CharField(max_length=8, choices=State, default=State.QUEUED)
    discard = models.BooleanField(default=False)
    sealed = models.BinaryField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField()
    next_attempt_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    problem = models.CharField(max_length=200, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["channel", "next_attempt_at"],
                condition=models.Q(state__in=["queued", "sending"]),
                name="message_due",
            )
        ]
