"""Organizations, the domains that name them, their forests and who administers them. Every other table leads with its
organization."""

from __future__ import annotations

import uuid

from django.db import models

__all__ = ["Administrator", "BannedList", "Domain", "Forest", "Organization"]


class Organization(models.Model):
    """``explain_to_person`` gives Microsoft's behaviour (masks and exact codes at once) and so reveals which accounts
    exist. ``seats``: how many people may have a licence; None where licences are not used. ``seat_groups``: ids of
    groups whose members take a free seat when they first need one. ``limits``: see keyback.portal.limits.settings."""

    class HumanCheck(models.TextChoices):
        WORK = "work"
        CHARACTERS = "characters"

    class ResetScope(models.TextChoices):
        """SELECTED: only policies that name groups count."""

        NONE = "none"
        SELECTED = "selected"
        ALL = "all"

    class LimitProfile(models.TextChoices):
        """What is counted for a person is counted for each client apart, or, as Microsoft does, for the whole account:
        then a stranger can close it for the person too."""

        CLIENT = "client"
        ACCOUNT = "account"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=100)
    slug = models.SlugField(unique=True)
    created_at = models.DateTimeField()
    # User IDs of unknown domains walk on in this organization, like unknown people.
    is_default = models.BooleanField(default=False)
    reset_scope = models.CharField(max_length=8, choices=ResetScope, default=ResetScope.ALL)
    human_check = models.CharField(max_length=12, choices=HumanCheck, default=HumanCheck.WORK)
    allow_plain_page = models.BooleanField(default=True)
    explain_to_person = models.BooleanField(default=False)
    # Of telephone numbers that are written without a country code: "DE". Empty: those count as missing.
    phone_region = models.CharField(max_length=2, blank=True)
    # Whoever signs in proves something more than the password, where something is on file.
    two_step_sign_in = models.BooleanField(default=False)
    # Domains whose mailboxes open with the password of the account, and so prove nothing; null: all verified ones.
    own_mail_domains = models.JSONField(null=True, default=None)
    # Of passwords that the portal keeps: how many may not come back, and after how many days one expires (0: never).
    cloud_history = models.PositiveSmallIntegerField(default=5)
    cloud_max_age_days = models.PositiveSmallIntegerField(default=0)
    # Percent of a forest's people that may go within 24 hours before an administrator is asked. 100: never ask.
    removal_share = models.PositiveSmallIntegerField(default=5)
    contact_url = models.CharField(max_length=300, blank=True)
    seats = models.PositiveIntegerField(null=True)
    seat_groups = models.JSONField(default=list)
    limit_profile = models.CharField(max_length=8, choices=LimitProfile, default=LimitProfile.CLIENT)
    limits = models.JSONField(default=dict)
    accent = models.CharField(max_length=7, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"], condition=models.Q(is_default=True), name="one_default_organization"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Domain(models.Model):
    """The part after the @ of a user ID. It belongs to one organization, and counts only once it is verified."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="domains")
    name = models.CharField(max_length=253, unique=True)
    verified_at = models.DateTimeField(null=True)
    verified_by = models.CharField(max_length=100, blank=True)

    def __str__(self) -> str:
        return self.name


class Forest(models.Model):
    """An Active Directory forest, named by the DNS name of its root domain."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="forests")
    name = models.CharField(max_length=253)
    # The portal's own switch; each agent has one of its own beside it.
    writeback = models.BooleanField(default=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "name"], name="one_forest_of_a_name")]

    def __str__(self) -> str:
        return self.name


class BannedList(models.Model):
    """Words that passwords of this organization may not be made of, as its agents get them: content and signature are
    those of protocol.SignedTerms. Compiled it lies in a file (organizations.banned_files)."""

    organization = models.OneToOneField(Organization, models.CASCADE, related_name="banned_list")
    version = models.PositiveBigIntegerField()
    content = models.BinaryField()
    signature = models.BinaryField(max_length=64)
    changed_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.organization} {self.version}"


class Administrator(models.Model):
    """Whom the portal tells about what needs an administrator. ``mail`` is encrypted (keyback.portal.vault).
    ``person``: whose role this is, where their user ID and addresses do not tell."""

    class Role(models.TextChoices):
        ADMINISTRATOR = "administrator"
        HELPDESK = "helpdesk"
        AUDITOR = "auditor"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="administrators")
    name = models.CharField(max_length=100)
    mail = models.TextField()
    language = models.CharField(max_length=10, default="en")
    role = models.CharField(max_length=13, choices=Role, default=Role.ADMINISTRATOR)
    person = models.ForeignKey("people.Person", models.SET_NULL, null=True, related_name="+")

    def __str__(self) -> str:
        return self.name
