"""People, every spelling of their user IDs, their contact data, and the policy that covers them."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models

from keyback.portal.organizations.models import Forest, Organization

__all__ = [
    "CloudPassword",
    "ContactDatum",
    "FormerPassword",
    "Group",
    "GroupMember",
    "Person",
    "Policy",
    "Seat",
    "Spelling",
    "SyncRun",
]

# The organization of rows that belong to a person or a group, which leads their indexes and is checked there: a check
# and an index of its own would be half of what a new row costs.
_LEADING: Any = {"on_delete": models.CASCADE, "related_name": "+", "db_index": False, "db_constraint": False}

# The person of spellings and contact data. Checked by the database, six rows of a new person would each lock that
# person's row, a third of what they all cost it; they are written in the transaction that wrote or read the person,
# nobody deletes a person (removals keep the row), and whoever does so through Django deletes these with them.
_OF_PERSON: Any = {"on_delete": models.CASCADE, "db_constraint": False}


class Person(models.Model):
    """``source``: where the password lives. A directory person is bound to the objectGUID, never to a name: an
    account made again under the same name is another person and inherits nothing."""

    class Source(models.TextChoices):
        CLOUD = "cloud"
        DIRECTORY = "directory"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="people")
    source = models.CharField(max_length=10, choices=Source)
    forest = models.ForeignKey(Forest, models.CASCADE, null=True, related_name="people")
    object_guid = models.UUIDField(null=True)
    anchor = models.CharField(max_length=256, blank=True)
    user_id = models.CharField(max_length=256)
    account_name = models.CharField(max_length=256, blank=True)
    display_name = models.CharField(max_length=256, blank=True)
    given_name = models.CharField(max_length=256, blank=True)
    surname = models.CharField(max_length=256, blank=True)
    enabled = models.BooleanField(default=True)
    language = models.CharField(max_length=10, blank=True)
    # SHA-256 of the record as pushed: an unchanged person costs a comparison and no write.
    digest = models.BinaryField(max_length=32, null=True)
    # See keyback.portal.people.binding.
    binding = models.BinaryField(max_length=32, null=True)
    # When a push last changed something here: who was told of during a run is not missing at its end.
    seen_at = models.DateTimeField(null=True)
    # Gone from the directory, or from what is synchronised; not removed yet where too many have gone at once.
    missing_at = models.DateTimeField(null=True)
    removed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "forest", "object_guid"], name="one_person_of_an_object"),
        ]
        indexes = [
            models.Index(fields=["organization", "user_id"]),
            models.Index(fields=["organization", "anchor"]),
            models.Index(
                # Who is missing and not removed is asked by every push, however many have ever been removed.
                fields=["organization", "forest", "removed_at"],
                name="people_missing",
                condition=models.Q(missing_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class SyncRun(models.Model):
    """One run of one agent over one forest, whole or of changes. Several agents may run over the same forest at once:
    people told of by either since a run began are there."""

    id = models.UUIDField(primary_key=True, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    forest = models.ForeignKey(Forest, models.CASCADE, related_name="+")
    agent_id = models.UUIDField()
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    people = models.PositiveIntegerField(default=0)
    removed = models.PositiveIntegerField(default=0)


class Spelling(models.Model):
    """A text by which this person may be named (UPN, alternative suffixes, sAMAccountName, DOMAIN\\name, mail),
    normalised. A text that names two people names nobody."""

    organization = models.ForeignKey(Organization, **_LEADING)
    text = models.CharField(max_length=512)
    person = models.ForeignKey(Person, related_name="spellings", **_OF_PERSON)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "text", "person"], name="spelling_once")]


class ContactDatum(models.Model):
    """A place where the person can be reached. ``value`` is encrypted and bound to its row; ``value_index`` finds
    it."""

    class Kind(models.TextChoices):
        MAIL = "mail"
        MOBILE = "mobile"
        OFFICE_PHONE = "office_phone"

    class Origin(models.TextChoices):
        DIRECTORY = "directory"
        REGISTERED = "registered"
        OPERATOR = "operator"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, **_LEADING)
    person = models.ForeignKey(Person, related_name="contact_data", **_OF_PERSON)
    kind = models.CharField(max_length=12, choices=Kind)
    origin = models.CharField(max_length=10, choices=Origin)
    position = models.SmallIntegerField(default=0)
    value = models.TextField()
    value_index = models.BinaryField(max_length=32)
    changed_at = models.DateTimeField()
    # Before that it opens no gate; null: at once.
    opens_from = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["organization", "person", "kind"]),
            models.Index(fields=["organization", "value_index"]),
        ]


class Group(models.Model):
    """What policies are for. ``forest`` and ``object_guid``: of a group that an agent synchronises; None for one of the
    portal's own. ``removed_at``: no longer in the directory; the row stays, so that a policy for it alone does not
    become one for everybody."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="groups")
    forest = models.ForeignKey(Forest, models.CASCADE, null=True, related_name="groups")
    object_guid = models.UUIDField(null=True)
    name = models.CharField(max_length=256)
    removed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "forest", "object_guid"], name="one_group_of_an_object"),
        ]
        indexes = [models.Index(fields=["organization", "name"])]

    def __str__(self) -> str:
        return self.name


class GroupMember(models.Model):
    """Exactly one of three: ``person`` or ``member_group``, chosen here; or ``object_guid``, as the forest of the group
    has it, whether or not that object is anybody here yet."""

    organization = models.ForeignKey(Organization, **_LEADING)
    group = models.ForeignKey(Group, models.CASCADE, related_name="members")
    person = models.ForeignKey(Person, models.CASCADE, null=True, related_name="+")
    member_group = models.ForeignKey(Group, models.CASCADE, null=True, related_name="+")
    object_guid = models.UUIDField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["group", "person"], name="person_in_group_once"),
            models.UniqueConstraint(fields=["group", "member_group"], name="group_in_group_once"),
            models.UniqueConstraint(fields=["group", "object_guid"], name="object_in_group_once"),
            models.CheckConstraint(
                condition=models.Q(person__isnull=False, member_group__isnull=True, object_guid__isnull=True)
                | models.Q(person__isnull=True, member_group__isnull=False, object_guid__isnull=True)
                | models.Q(person__isnull=True, member_group__isnull=True, object_guid__isnull=False),
                name="one_kind_of_member",
            ),
        ]
        indexes = [models.Index(fields=["organization", "object_guid"])]


class Seat(models.Model):
    """A licence that one person has. ``group_id``: the group through which they took it; None where it was given to
    them one by one."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    person = models.OneToOneField(Person, models.CASCADE, related_name="seat")
    group_id = models.UUIDField(null=True)
    taken_at = models.DateTimeField()


class CloudPassword(models.Model):
    """The password of a cloud person: an Argon2id hash in PHC form. Directory people have no row here, ever."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    person = models.OneToOneField(Person, models.CASCADE, related_name="cloud_password")
    hash = models.CharField(max_length=256)
    changed_at = models.DateTimeField()


class FormerPassword(models.Model):
    """A password that a cloud person had before, as it was kept then."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    person = models.ForeignKey(Person, models.CASCADE, related_name="former_passwords")
    hash = models.CharField(max_length=256)
    until = models.DateTimeField()


class Policy(models.Model):
    """What the people whom it covers may do, and with which proofs. Policies are tried in the order of ``position``;
    the first that covers a person counts, whatever it allows.

    ``groups``: ids of ``people.Group`` as texts; None covers everybody, an empty list nobody. ``methods``: names of
    folders under portal/methods. ``gates``: how many different ones a person must open. ``reconfirm_days``: 0 is never.
    ``notify_administrators``: of everybody's resets; of an administrator's own they are always told.
    """

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="policies")
    name = models.CharField(max_length=100)
    position = models.PositiveIntegerField(default=0)
    groups = models.JSONField(null=True, default=None)
    reset = models.BooleanField(default=True)
    unlock = models.BooleanField(default=True)
    change = models.BooleanField(default=True)
    methods = models.JSONField(default=list)
    gates = models.PositiveSmallIntegerField(default=1)
    questions_registered = models.PositiveSmallIntegerField(default=5)
    questions_asked = models.PositiveSmallIntegerField(default=3)
    register_at_sign_in = models.BooleanField(default=True)
    reconfirm_days = models.PositiveSmallIntegerField(default=180)
    notify_person = models.BooleanField(default=True)
    notify_administrators = models.BooleanField(default=False)

    class Meta:
        ordering = ["organization", "position", "id"]
        verbose_name_plural = "policies"
        constraints = [models.UniqueConstraint(fields=["organization", "name"], name="one_policy_of_a_name")]

    def __str__(self) -> str:
        return self.name
