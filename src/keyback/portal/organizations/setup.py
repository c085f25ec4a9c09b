"""Making organizations and giving them domains: what an instance's operator does."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.text import slugify

from keyback.errors import KeybackError
from keyback.portal import sql
from keyback.portal.audit.words import Activity, Result
from keyback.portal.audit.writer import write
from keyback.portal.organizations.dns import NameServer, txt_records
from keyback.portal.organizations.models import Administrator, Domain, Organization
from keyback.portal.people.contacts import normalise_mail
from keyback.portal.people.models import Person, Policy
from keyback.portal.people.phones import is_region
from keyback.portal.vault import VaultMismatch, open_value, seal_value

__all__ = [
    "SetupRefused",
    "add_administrator",
    "add_domain",
    "administrators",
    "change",
    "create",
    "domain_record",
    "normalise_domain",
    "remove_administrator",
    "verify_by_record",
    "verify_domain",
]

_log = logging.getLogger(__name__)
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")


class SetupRefused(KeybackError):
    """This cannot be made as asked; the text says what is in the way."""

    code = "setup_refused"


def create(name: str, *, slug: str = "", by: str, now: datetime) -> Organization:
    """With one policy to begin with: everybody may reset, by a code to a mail address on file. The first organization
    of an instance is its default one. Raises SetupRefused when the short name is taken or empty."""
    name = name.strip()
    slug = slug or slugify(name)
    if not name or len(name) > 100 or any(not c.isprintable() for c in name):
        raise SetupRefused("an organization needs a name of at most 100 printable characters")
    if not slug or slugify(slug) != slug or len(slug) > 50:
        raise SetupRefused("the short name may hold lower-case letters, digits and hyphens only, at most 50")
    try:
        with transaction.atomic():
            first = not Organization.objects.filter(is_default=True).exists()
            organization = Organization.objects.create(name=name, slug=slug, created_at=now, is_default=first)
            Policy.objects.create(organization=organization, name="Everybody", methods=["email"])
            write(organization.id, Activity.ORGANIZATION_CREATED, result=Result.SUCCESS, actor=by, now=now)
    except IntegrityError:
        raise SetupRefused(f"there is an organization with the short name {slug!r} already") from None
    return organization


_CHANGEABLE = (
    "reset_scope",
    "seats",
    "seat_groups",
    "limit_profile",
    "human_check",
    "allow_plain_page",
    "explain_to_person",
    "contact_url",
    "removal_share",
    "accent",
    "phone_region",
    "two_step_sign_in",
    "own_mail_domains",
    "cloud_history",
    "cloud_max_age_days",
)
_ACCENT = re.compile(r"#[0-9a-f]{6}", re.IGNORECASE)


def change(organization: Organization, changes: Mapping[str, object], *, by: str, now: datetime) -> None:
    """Sets what is given. Raises SetupRefused."""
    for name, value in changes.items():
        if name not in _CHANGEABLE:
            raise ValueError(f"{name} is not a setting of an organization")
        if name == "contact_url" and value and not _is_contact(str(value)):
            raise SetupRefused("the contact address must begin with https:// or mailto: and have no blanks")
        if name == "accent" and value and not _ACCENT.fullmatch(str(value)):
            raise SetupRefused("a colour is written as #rrggbb")
        if name == "phone_region" and value and not is_region(str(value)):
            raise SetupRefused("a region is written as two capital letters, such as DE")
        setattr(organization, name, _own_mail_domains(str(value)) if name == "own_mail_domains" else value)
    with transaction.atomic():
        organization.save(update_fields=list(changes))
        write(
            organization.id,
            Activity.ORGANIZATION_CHANGED,
            result=Result.SUCCESS,
            actor=by,
            now=now,
            details={name: str(value) for name, value in changes.items()},
        )


def _own_mail_domains(text: str) -> list[str] | None:
    """``verified``, ``none``, or domains with commas between them. Raises SetupRefused."""
    if text in ("verified", "none"):
        return None if text == "verified" else []
    return sorted({normalise_domain(part) for part in text.split(",")})


def _is_contact(text: str) -> bool:
    """Safe in a link: no other scheme, since ``javascript:`` would run there."""
    fine = text.isprintable() and " " not in text and len(text) <= 300
    return fine and text.startswith(("https://", "mailto:"))


def normalise_domain(text: str) -> str:
    """Lower case, in its ASCII form (IDNA). Raises SetupRefused."""
    try:
        name = text.strip().rstrip(".").lower().encode("idna").decode("ascii")
    except UnicodeError:
        name = ""
    labels = name.split(".")
    if len(name) > 253 or len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
        raise SetupRefused(f"{text[:100]!r} is not a domain name like example.test")
    return name


def add_domain(organization: Organization, text: str, *, by: str, now: datetime) -> Domain:
    """Not verified yet, so it names nobody. Raises SetupRefused when it belongs to an organization already."""
    name = normalise_domain(text)
    try:
        with transaction.atomic():
            domain = Domain.objects.create(organization=organization, name=name)
            write(
                organization.id,
                Activity.DOMAIN_ADDED,
                result=Result.SUCCESS,
                actor=by,
                now=now,
                details={"domain": name},
            )
    except IntegrityError:
        raise SetupRefused(f"{name} belongs to an organization already") from None
    return domain


def verify_domain(domain: Domain, *, by: str, how: str, now: datetime) -> None:
    """From now on user IDs of this domain name its organization. Verifying again changes nothing."""
    if domain.verified_at is not None:
        return
    with transaction.atomic():
        Domain.objects.filter(pk=domain.pk).update(verified_at=now, verified_by=by)
        domain.verified_at, domain.verified_by = now, by
        write(
            domain.organization_id,
            Activity.DOMAIN_VERIFIED,
            result=Result.SUCCESS,
            actor=by,
            now=now,
            details={"domain": domain.name, "how": how},
        )


def domain_record(domain: Domain) -> tuple[str, str]:
    """Name and text of the TXT record by which whoever writes the zone vouches for the domain. It names this portal and
    this organization: one made for another cannot be used."""
    mark = settings.KEYRING.code_hmac("domain", str(domain.organization_id), domain.name)
    return f"_keyback.{domain.name}", f"keyback-domain={mark[:16].hex()}"


def verify_by_record(domain: Domain, servers: Sequence[NameServer], *, by: str, now: datetime) -> None:
    """Asks these name servers. Raises SetupRefused while the record is not there, and NoAnswer."""
    name, text = domain_record(domain)
    found = txt_records(name, servers)
    if text not in (record.strip() for record in found):
        there = f"it holds {len(found)} other records" if found else "it has none"
        raise SetupRefused(f'{name} needs the TXT record "{text}"; {there}')
    verify_domain(domain, by=by, how="dns", now=now)


def add_administrator(
    organization: Organization,
    name: str,
    mail: str,
    *,
    language: str = "en",
    role: str = Administrator.Role.ADMINISTRATOR,
    person: Person | None = None,
    by: str = "system",
    now: datetime | None = None,
) -> Administrator:
    """Somebody with an administrative role, who gets the mails that need it. ``person``: whose role it is, where their
    user ID and addresses do not tell. Raises SetupRefused for what is no mail address, and for a person of another
    organization."""
    address = normalise_mail(mail)
    if address is None:
        raise SetupRefused(f"{mail[:100]!r} is not a mail address")
    if person is not None and person.organization_id != organization.id:
        raise SetupRefused(f"{person.user_id} is not one of the people of {organization.name}")
    row_id = uuid.uuid4()
    with transaction.atomic():
        row = Administrator.objects.create(
            id=row_id,
            organization=organization,
            name=name[:100],
            mail=seal_value(organization.id, row_id, "mail", address),
            language=language,
            role=role,
            person=person,
        )
        _write_administrator(row, Activity.ADMINISTRATOR_ADDED, address, by, now or timezone.now())
    return row


def remove_administrator(organization: Organization, mail: str, *, by: str, now: datetime) -> int:
    """Every role of this address. How many. Raises SetupRefused where there is none."""
    found = [row for row, address in administrators(organization) if address.casefold() == mail.strip().casefold()]
    if not found:
        raise SetupRefused(f"{organization.name} has no administrator with the address {mail[:100]!r}")
    with transaction.atomic():
        for row in found:
            _write_administrator(row, Activity.ADMINISTRATOR_REMOVED, mail, by, now)
            row.delete()
    return len(found)


def _write_administrator(row: Administrator, activity: Activity, address: str, by: str, now: datetime) -> None:
    write(
        row.organization_id,
        activity,
        result=Result.SUCCESS,
        actor=by,
        now=now,
        details={"role": row.role, "administrator": str(row.id)},
        personal={"mail": address},
    )


def administrators(organization: Organization) -> list[tuple[Administrator, str]]:
    """Each with the address in clear; without those whose row was bent."""
    found = []
    for row in sql.select(
        Administrator, "organization_id = %(organization)s ORDER BY name, id", organization=organization.pk
    ):
        try:
            found.append((row, open_value(organization.id, row.id, "mail", row.mail)))
        except VaultMismatch:
            _log.error("the address of administrator %s was not written by this portal; it is left out", row.pk)
    return found
