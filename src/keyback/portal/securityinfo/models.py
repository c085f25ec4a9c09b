"""A person's registered methods: authenticator apps, hardware tokens, passkeys, security questions, access passes."""

from __future__ import annotations

import uuid

from django.db import models

from keyback.portal.organizations.models import Organization
from keyback.portal.people.models import Person

__all__ = ["OwnQuestion", "RegisteredMethod", "SecurityProfile"]


class RegisteredMethod(models.Model):
    """One thing with which a person proves who they are. ``method``: the folder under portal/methods. ``label``: by
    which the person knows it. ``sealed``: its secret and from when it may open a gate, encrypted, and bound to the
    person, their object in the directory and this row. ``lookup``: finds it again, where the browser names it.

    ``counter`` only rises: the last time step that an app's code was taken for, or a passkey's own counter. ``drift``:
    by how many steps the clock of an app or token was off when it was last used.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    person = models.ForeignKey(Person, models.CASCADE, related_name="registered_methods")
    method = models.CharField(max_length=20)
    label = models.CharField(max_length=100)
    sealed = models.TextField()
    lookup = models.BinaryField(max_length=32, null=True)
    counter = models.BigIntegerField(default=0)
    drift = models.SmallIntegerField(default=0)
    created_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "lookup"], name="one_registered_of_a_lookup")]
        indexes = [models.Index(fields=["organization", "person", "method"])]

    def __str__(self) -> str:
        return str(self.id)


class OwnQuestion(models.Model):
    """A security question of the organization's own. It is not translated."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="own_questions")
    text = models.CharField(max_length=200)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "text"], name="own_question_once")]

    def __str__(self) -> str:
        return self.text


class SecurityProfile(models.Model):
    """What a person said about their security info as a whole. ``default_method`` is offered first; ``confirmed_at``:
    when they last said that everything on file is still right."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    person = models.OneToOneField(Person, models.CASCADE, related_name="security_profile")
    default_method = models.CharField(max_length=20, blank=True)
    confirmed_at = models.DateTimeField(null=True)
