"""Counters of what can be guessed or sent. One row for each key within a budget."""

from __future__ import annotations

from django.db import models

from keyback.portal.organizations.models import Organization

__all__ = ["Counter"]


class Counter(models.Model):
    """``key_hmac``: what is counted (a person, a typed text, an address block …), never in clear. ``about_hmac``: its
    first part alone, so that all of one person's can be found.

    ``blocked_until`` is set when the count reaches the limit, and tries during the block do not move it."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    budget = models.CharField(max_length=40)
    key_hmac = models.BinaryField(max_length=32)
    about_hmac = models.BinaryField(max_length=32, default=bytes)
    window_ends_at = models.DateTimeField()
    count = models.PositiveIntegerField()
    blocked_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "budget", "key_hmac"], name="one_counter_of_a_key")
        ]
        indexes = [models.Index(fields=["organization", "about_hmac"])]
