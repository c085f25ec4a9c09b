"""Links on the home page of everybody of an organization."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlsplit

from django.db import IntegrityError, transaction

from keyback.errors import KeybackError
from keyback.portal.account.models import Application
from keyback.portal.audit.words import Activity, Result
from keyback.portal.audit.writer import write
from keyback.portal.organizations.models import Organization

__all__ = ["ApplicationRefused", "add", "remove"]


class ApplicationRefused(KeybackError):
    """This link cannot be made or removed; the text says why."""

    code = "application_refused"


def add(organization: Organization, name: str, url: str, *, by: str, now: datetime) -> Application:
    """Raises ApplicationRefused for another scheme than https, since ``javascript:`` would run on our page."""
    name = name.strip()
    if not name or len(name) > 60 or not name.isprintable():
        raise ApplicationRefused("a name has 1 to 60 printable characters")
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or len(url) > 300 or not url.isprintable() or " " in url:
        raise ApplicationRefused("an address begins with https:// and has at most 300 characters, none of them a blank")
    try:
        with transaction.atomic():
            made = Application.objects.create(organization=organization, name=name, url=url)
            _write(organization, Activity.APPLICATION_ADDED, name, by, now)
    except IntegrityError:
        raise ApplicationRefused(f"there is an application of the name {name!r} already") from None
    return made


def remove(organization: Organization, name: str, *, by: str, now: datetime) -> None:
    """Raises ApplicationRefused where there is none of this name."""
    with transaction.atomic():
        if not Application.objects.filter(organization=organization, name=name).delete()[0]:
            raise ApplicationRefused(f"there is no application of the name {name!r}")
        _write(organization, Activity.APPLICATION_REMOVED, name, by, now)


def _write(organization: Organization, activity: Activity, name: str, by: str, now: datetime) -> None:
    write(organization.id, activity, result=Result.SUCCESS, actor=by, now=now, details={"name": name})
