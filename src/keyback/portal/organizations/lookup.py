"""Whom a typed user ID names. Known and unknown cost the same queries."""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

from django.db import connection

from keyback.errors import KeybackError
from keyback.portal import sql
from keyback.portal.organizations.models import Domain, Organization
from keyback.portal.people.models import Person, Spelling

__all__ = [
    "MAX_USER_ID",
    "Front",
    "NoOrganization",
    "account_name_of",
    "default_front",
    "default_organization",
    "domain_of",
    "normalise_user_id",
    "resolve",
]

MAX_USER_ID = 256

_ORGANIZATION = f"SELECT {sql.columns(Organization, 'o')} FROM {Organization._meta.db_table} o"  # noqa: S608 — table names
_FRONT = f"SELECT name, slug, human_check FROM {Organization._meta.db_table} WHERE is_default"  # noqa: S608 — table names
_NAMED = f"""
{_ORGANIZATION}
LEFT JOIN {Domain._meta.db_table} d ON d.organization_id = o.id AND d.name = %(domain)s AND d.verified_at IS NOT NULL
WHERE d.id IS NOT NULL OR o.is_default
ORDER BY d.id IS NULL LIMIT 1
"""
# Where nobody has this spelling, the person of the one beside it in the index, marked as not found: to read a row, from
# the disk perhaps, and to turn it into a person takes time, and the clock would tell who exists.
_NEIGHBOUR = (
    f"SELECT * FROM (SELECT person_id FROM {Spelling._meta.db_table} WHERE organization_id = %(organization)s "  # noqa: S608 — table names
    "AND text {} %(text)s AND NOT EXISTS (SELECT 1 FROM spelt) ORDER BY text {} LIMIT 1) {}"
)
_SPELT = f"""
WITH spelt AS (
  SELECT s.person_id FROM {Spelling._meta.db_table} s JOIN {Person._meta.db_table} p ON p.id = s.person_id
  WHERE s.organization_id = %(organization)s AND s.text = %(text)s AND p.enabled AND p.removed_at IS NULL LIMIT 2
), beside AS (
  {_NEIGHBOUR.format(">", "ASC", "after")} UNION ALL {_NEIGHBOUR.format("<", "DESC", "before")} LIMIT 1
)
SELECT {sql.columns(Person, "p")}, (SELECT count(*) FROM spelt) FROM {Person._meta.db_table} p
WHERE p.id IN (SELECT person_id FROM spelt UNION ALL SELECT person_id FROM beside) LIMIT 1
"""  # noqa: S608 — table names


class NoOrganization(KeybackError):
    """Nobody has made an organization on this instance yet."""

    code = "no_organization"


class Front(NamedTuple):
    """What the first page shows of an organization. ``human_check``: of Organization.HumanCheck."""

    name: str
    slug: str
    human_check: str


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
    organizations = sql.instances(_NAMED, {"domain": domain_of(user_id)}, Organization)
    if not organizations:
        raise NoOrganization("no organization has been made yet: run 'keyback org create'")
    organization: Organization = organizations[0][0]
    given = sql.values(organization=organization.id, text=user_id)
    named: Person | None = None
    for person, people_named in sql.instances(_SPELT, given, Person):
        named = person if people_named == 1 else None
    return organization, named


def default_organization() -> Organization:
    """Where user IDs of unknown domains walk on. Raises NoOrganization."""
    # Written out: everybody asks this first, and to build it anew each time was a fifth of what that page cost.
    found = sql.instances(f"{_ORGANIZATION} WHERE o.is_default", {}, Organization)
    if not found:
        raise NoOrganization("no organization has been made yet: run 'keyback org create'")
    organization: Organization = found[0][0]
    return organization


def default_front() -> Front:
    """Of the default organization, for the page that is asked for most: three columns cost it half as much as the row.
    Raises NoOrganization."""
    with connection.cursor() as cursor:
        cursor.execute(_FRONT)
        found = cursor.fetchone()
    if found is None:
        raise NoOrganization("no organization has been made yet: run 'keyback org create'")
    return Front(*found)
