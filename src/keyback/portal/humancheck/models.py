"""Checks that were used: neither a solution nor typed characters count twice."""

from __future__ import annotations

from django.db import models

__all__ = ["SpentCheck"]


class SpentCheck(models.Model):
    """``digest``: SHA-256 of the challenge. It belongs to no organization: nobody has said who they are yet."""

    digest = models.BinaryField(max_length=32, unique=True)
    expires_at = models.DateTimeField(db_index=True)
