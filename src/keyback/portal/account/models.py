"""What of an account must be remembered beside the person."""

from __future__ import annotations

from django.db import models

from keyback.portal.organizations.models import Organization
from keyback.portal.people.models import Person

__all__ = ["AccountState", "Application", "FederatedSubject", "Provider"]


class Application(models.Model):
    """A link on the home page of everybody of the organization."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="applications")
    name = models.CharField(max_length=60)
    url = models.CharField(max_length=300)

    class Meta:
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint(fields=["organization", "name"], name="one_application_of_a_name")]

    def __str__(self) -> str:
        return self.name


class Provider(models.Model):
    """An OpenID Connect provider that signs in the people of these domains. ``claim``: what of its ID token names the
    person. ``secret`` is encrypted (keyback.portal.vault)."""

    organization = models.OneToOneField(Organization, models.CASCADE, related_name="provider")
    issuer = models.CharField(max_length=300)
    client_id = models.CharField(max_length=200)
    secret = models.TextField()
    claim = models.CharField(max_length=60, default="preferred_username")
    domains = models.JSONField(default=list)

    def __str__(self) -> str:
        return self.issuer


class FederatedSubject(models.Model):
    """Who somebody is for their provider, as it was at the first sign-in: a name that is given to somebody else later
    opens nothing."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    person = models.OneToOneField(Person, models.CASCADE, related_name="federated_subject")
    issuer = models.CharField(max_length=300)
    subject = models.CharField(max_length=255)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "issuer", "subject"], name="one_person_of_a_subject")
        ]


class AccountState(models.Model):
    """``sessions_from``: whoever signed in before that is signed out. ``held_until``: nothing of the account is changed
    here before that, because the person said that it was not them who did it last."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    person = models.OneToOneField(Person, models.CASCADE, primary_key=True, related_name="account_state")
    sessions_from = models.DateTimeField(null=True)
    held_until = models.DateTimeField(null=True)
