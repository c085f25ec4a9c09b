"""One recovery, from the typed user ID to its end, and the challenges sent in it. Unknown people write the same
rows."""

from __future__ import annotations

import uuid

from django.db import models

from keyback.flows import State
from keyback.portal.organizations.models import Organization
from keyback.portal.people.models import ContactDatum, Person

__all__ = ["Challenge", "Purpose", "Recovery"]


class Purpose(models.TextChoices):
    """What the walk is for. ``verify``: somebody who is signed in proves something more, and nothing else happens."""

    RESET = "reset"
    UNLOCK = "unlock"
    CHANGE = "change"
    VERIFY = "verify"


class Recovery(models.Model):
    """``id`` is the tracking id, which the person sees as support code. ``person`` is null for an unknown user ID,
    and nothing the browser sees before the first gate depends on it.

    ``prepared``: what the password page was rendered with (request id, deadline, agents and their keys); a submission
    must be for exactly this. ``request_id``: the writeback request that this recovery waits for, inspection or write.
    ``unlock_only``: an agent has found that no password can be set, so that unlocking is all that may be offered.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    # Without a constraint, as below: PostgreSQL would look for known people only, and the clock would tell of it.
    person = models.ForeignKey(Person, models.CASCADE, null=True, related_name="recoveries", db_constraint=False)
    purpose = models.CharField(max_length=10, choices=Purpose, default=Purpose.RESET)
    state = models.CharField(max_length=10, default=State.PROVE)
    typed_hmac = models.BinaryField(max_length=32)
    # The same for every spelling of one account name: what is made up for unknown people is made up from it.
    decoy = models.BinaryField(max_length=32, null=True)
    known_device = models.BooleanField(default=False)
    language = models.CharField(max_length=10, default="en")
    started_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    gates_opened = models.JSONField(default=list)
    inspection = models.JSONField(null=True)
    unlock_only = models.BooleanField(default=False, db_default=False)
    prepared = models.JSONField(null=True)
    request_id = models.UUIDField(null=True)
    # Why it was refused (SSPR code or name) and what the rules said, for the page.
    refusal = models.CharField(max_length=40, blank=True)
    findings = models.JSONField(default=list)
    # The address that it was begun from, encrypted.
    origin = models.BinaryField(null=True)
    # When the password, or the unlocking, was known to stand.
    written_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["organization", "started_at"]), models.Index(fields=["request_id"])]

    def __str__(self) -> str:
        return str(self.id)


class Challenge(models.Model):
    """One code sent. ``code_hmac`` is under a key outside the database and bound to this row; 5 tries, on every
    endpoint together."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    recovery = models.ForeignKey(Recovery, models.CASCADE, related_name="challenges")
    method = models.CharField(max_length=20)
    datum = models.ForeignKey(ContactDatum, models.SET_NULL, null=True, related_name="+", db_constraint=False)
    code_hmac = models.BinaryField(max_length=32)
    tries_left = models.PositiveSmallIntegerField(default=5)
    sent_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    # Of a call that asks for a key: the message, by which the gateway names it; and, once # was pressed, what says so.
    message_id = models.UUIDField(null=True)
    pressed = models.BinaryField(max_length=32, null=True)

    class Meta:
        indexes = [models.Index(fields=["organization", "recovery", "sent_at"]), models.Index(fields=["message_id"])]
