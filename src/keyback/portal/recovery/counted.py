"""What limits count about a person, found again: the person, and every text by which they are named."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings

from keyback.portal.limits.budgets import about_hmac
from keyback.portal.organizations.lookup import normalise_user_id
from keyback.portal.organizations.models import Organization
from keyback.portal.people.models import Person, Spelling

__all__ = ["about_person", "about_text", "named", "typed_hmac"]


def typed_hmac(organization: Organization, user_id: str) -> bytes:
    """What is kept of a typed user ID, normalised: 32 bytes."""
    digest: bytes = settings.KEYRING.code_hmac("typed user id", str(organization.id), user_id)
    return digest


def about_text(organization: Organization, typed: str) -> list[str]:
    """The first parts of the keys of what is counted for a user ID as typed, whether anybody has it or not."""
    try:
        key = typed_hmac(organization, normalise_user_id(typed)).hex()
    except ValueError:
        return []
    return [key, f"nobody:{key}"]


def about_person(person: Person) -> list[str]:
    """The first parts of the keys of everything that is counted about them."""
    texts = person.spellings.values_list("text", flat=True)
    keys = [key for text in {*texts, person.user_id} for key in about_text(person.organization, text)]
    return [str(person.id), *keys]


def named(organization: Organization, wanted: set[bytes]) -> dict[bytes, str]:
    """Whose each of these hashes is, as far as it is one of the organization's people: their user ID. One hash for each
    person and spelling: a hundred thousand take seconds."""
    if not wanted:
        return {}
    return {digest: user_id for digest, user_id in _all(organization) if digest in wanted}


def _all(organization: Organization) -> Iterator[tuple[bytes, str]]:
    for person_id, user_id in Person.objects.filter(organization=organization).values_list("id", "user_id").iterator():
        yield about_hmac(str(person_id)), user_id
    rows = Spelling.objects.filter(organization=organization).values_list("text", "person__user_id")
    for text, user_id in rows.iterator():
        yield about_hmac(typed_hmac(organization, text).hex()), user_id
