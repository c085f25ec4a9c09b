"""Whom a typed user ID names. Known and unknown cost the same queries."""

from __future__ import annotations

import unicodedata

from django.db.models import Exists, OuterRef, Q

from keyback.errors import KeybackError
from keyback.portal.organizations.models import Domain, Organization
from keyback.portal.people.models import Person, Spelling
from keyback.portal.people.nobody import as_if_found

__all__ = [
    "MAX_USER_ID",
    "NoOrganization",
    "account_name_of",
    "default_organization",
    "domain_of",
    "normalise_user_id",
    "resolve",
]

MAX_USER_ID = 256


class NoOrganization(KeybackError):
    """Nobody has made an organization on this instance yet."""

    code = "no_organization"


def normalise_user_id(text: str) -> str:
    """The one form in which spellings are compared. ValueError for what cannot be a user ID: nothing, too much, or
    characters that no keyboard types (NUL, line breaks, lone surrogates, private use)."""
    if len(text) > MAX_USER_ID:
        raise ValueError("a user ID has at most 256 characters")
    if text.isascii():
        # What most are: the same, at a tenth of the cost, which counts when a whole directory arrives.
        plain = text.strip().lower()
        if plain.isprintable() and plain:
            return plain
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).strip().casefold())
    if not folded:
        raise ValueError("the user ID is empty")
    if len(folded) > MAX_USER_ID:
        raise ValueError("a user ID has at most 256 characters")
    if any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") for character in folded):
        raise ValueError("the user ID holds a character that cannot be part of one")
    return folded


def domain_of(user_id: str) -> str:
    """The part after the last @; empty where there is none (a bare account name, or DOMAIN\\name)."""
    return user_id.rpartition("@")[2] if "@" in user_id else ""


def account_name_of(user_id: str) -> str:
    """``ada`` of ``ada``, ``ada@example.test`` and ``corp\\ada``, normalised."""
    return user_id.rpartition("\\")[2].partition("@")[0]


def resolve(typed: str) -> tuple[Organization, Person | None]:
    """The organization that the domain names (else the default one), and the one person of this spelling there, if
    any.

    A spelling that names two people names nobody. Raises ValueError (see :func:`normalise_user_id`) and
    NoOrganization.
    """
    user_id = normalise_user_id(typed)
    verified = Domain.objects.filter(organization=OuterRef("pk"), name=domain_of(user_id), verified_at__isnull=False)
    organization = (
        Organization.objects.annotate(named=Exists(verified))
        .filter(Q(named=True) | Q(is_default=True))
        .order_by("-named")
        .first()
    )
    if organization is None:
        raise NoOrganization("no organization has been made yet: run 'keyback org create'")
    found = Spelling.objects.filter(
        organization=organization, text=user_id, person__enabled=True, person__removed_at__isnull=True
    ).select_related("person")[:2]
    people = [spelling.person for spelling in found]
    if not people:
        as_if_found()
    return organization, people[0] if len(people) == 1 else None


def default_organization() -> Organization:
    """Where user IDs of unknown domains walk on. Raises NoOrganization."""
    # Everybody asks this first; to make the same statement anew each time was a fifth of what that page cost.
    for organization in Organization.objects.raw("SELECT * FROM organizations_organization WHERE is_default"):
        return organization
    raise NoOrganization("no organization has been made yet: run 'keyback org create'")
