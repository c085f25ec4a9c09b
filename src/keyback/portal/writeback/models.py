"""Writeback requests and their sealed boxes. The rules of their states are in keyback.portal.writeback.requests."""

from __future__ import annotations

from django.db import models

from keyback.portal.agents.models import Agent
from keyback.portal.organizations.models import Forest, Organization
from keyback.portal.people.models import Person

__all__ = ["UNFINISHED", "SealedBox", "WritebackRequest"]


class WritebackRequest(models.Model):
    """``fence`` rises with every claim; ``before``: the account on one server just before the write."""

    class State(models.TextChoices):
        QUEUED = "queued"
        CLAIMED = "claimed"
        WRITING = "writing"
        UNRESOLVED = "unresolved"
        FINISHED = "finished"
        EXPIRED = "expired"

    id = models.UUIDField(primary_key=True, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    forest = models.ForeignKey(Forest, models.CASCADE, related_name="+")
    person = models.ForeignKey(Person, models.CASCADE, related_name="requests")
    tracking_id = models.UUIDField(db_index=True)
    operation = models.CharField(max_length=10)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    envelope = models.BinaryField()
    signature = models.BinaryField(max_length=64)
    fence = models.BigIntegerField(default=0)
    claimed_by = models.ForeignKey(Agent, models.SET_NULL, null=True, related_name="+")
    boot_id = models.UUIDField(null=True)
    # Who was granted the write, under which fence: what this agent says of it is certain, however late it comes.
    writer = models.ForeignKey(Agent, models.SET_NULL, null=True, related_name="+")
    writing_fence = models.BigIntegerField(null=True)
    lease_until = models.DateTimeField(null=True)
    before = models.JSONField(null=True)
    # Nobody begins to write after expires_at; the signed deadline is never earlier.
    expires_at = models.DateTimeField()
    deadline = models.DateTimeField()
    created_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True)
    writing_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    resolve_until = models.DateTimeField(null=True)
    outcome_code = models.CharField(max_length=20, blank=True)
    outcome = models.JSONField(null=True)
    outcome_by = models.ForeignKey(Agent, models.SET_NULL, null=True, related_name="+")
    # Outcomes that came after another stood: kept, and they correct the story where they are certain.
    late_outcomes = models.JSONField(default=list)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "person"],
                condition=models.Q(state__in=["queued", "claimed", "writing", "unresolved"]),
                name="one_unfinished_request_for_a_person",
            )
        ]
        indexes = [
            models.Index(
                fields=["organization", "state", "created_at"],
                condition=models.Q(state__in=["queued", "claimed", "writing", "unresolved"]),
                name="unfinished_requests",
            ),
            # What people of a forest were told last: asked for at sign-ins of the unknown, who must not wait longer.
            models.Index(fields=["forest", "operation", "created_at"], name="newest_of_a_forest"),
        ]

    def __str__(self) -> str:
        return str(self.id)


UNFINISHED = ("queued", "claimed", "writing", "unresolved")


class SealedBox(models.Model):
    """One agent's box. Erased when the request finishes or expires."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    request = models.ForeignKey(WritebackRequest, models.CASCADE, related_name="boxes")
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="+")
    key = models.CharField(max_length=64)
    box = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["request", "agent"], name="one_box_for_an_agent")]
