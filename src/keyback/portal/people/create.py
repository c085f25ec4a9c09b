"""Making a person whose password lives here."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from keyback.errors import KeybackError
from keyback.portal.audit.words import Activity, Result
from keyback.portal.audit.writer import write
from keyback.portal.organizations.lookup import domain_of, normalise_user_id
from keyback.portal.organizations.models import Domain, Organization
from keyback.portal.people.models import Person, Spelling

__all__ = ["PersonRefused", "create_cloud_person"]


class PersonRefused(KeybackError):
    """This person cannot be made; the text says why."""

    code = "person_refused"


def create_cloud_person(
    organization: Organization, user_id: str, *, display_name: str = "", language: str = "", by: str, now: datetime
) -> Person:
    """Without a password and without contact data yet. Raises PersonRefused when the user ID's domain is not a
    verified domain of the organization, or when the user ID names somebody already."""
    try:
        text = normalise_user_id(user_id)
    except ValueError as error:
        raise PersonRefused(f"{error}") from None
    domain = domain_of(text)
    if not Domain.objects.filter(organization=organization, name=domain, verified_at__isnull=False).exists():
        raise PersonRefused(f"{domain or text!r} is not a verified domain of {organization.name}")
    if len(display_name) > 256 or any(not c.isprintable() for c in display_name):
        raise PersonRefused("a name has at most 256 printable characters")
    with transaction.atomic():
        if Spelling.objects.filter(organization=organization, text=text).exists():
            raise PersonRefused(f"{text} names somebody already")
        person = Person.objects.create(
            organization=organization,
            source=Person.Source.CLOUD,
            user_id=text,
            account_name=text.partition("@")[0],
            display_name=display_name,
            language=language,
        )
        Spelling.objects.create(organization=organization, text=text, person=person)
        write(
            organization.id,
            Activity.PERSON_CREATED,
            result=Result.SUCCESS,
            actor=by,
            now=now,
            details={"person": str(person.id)},
            personal={"user_id": text},
        )
    return person
