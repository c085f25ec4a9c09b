"""An organization's banned words: set here, signed by the people's door, given to agents, held against cloud people's
passwords."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from django.conf import settings
from django.db import transaction

from keyback.passwords import BannedWords, builtin
from keyback.passwords.terms import TermsRefused, parse_terms
from keyback.portal.audit.words import Activity, Result
from keyback.portal.audit.writer import write
from keyback.portal.organizations.banned_files import mapped
from keyback.portal.organizations.models import BannedList, Organization
from keyback.protocol.encoding import b64encode
from keyback.protocol.messages import BannedTerms, SignedTerms, parse
from keyback.protocol.signing import sign_banned_terms, verify_banned_terms

__all__ = ["Screening", "change", "newer_than", "screening", "shown"]


_LONGEST = 3_000_000
"""Bytes of a list, so that it passes through the agents' door in one answer."""


@dataclass(frozen=True, slots=True)
class Screening:
    """How passwords of one organization are held against banned words. ``mode``: off, audit or enforce."""

    mode: str
    strict: bool
    banned: BannedWords


def change(
    organization: Organization,
    *,
    now: datetime,
    by: str,
    terms: Sequence[str] | None = None,
    mode: str | None = None,
    strict: bool | None = None,
    extended: bool | None = None,
) -> BannedTerms:
    """The new list; what is None stays as it is. Raises TermsRefused."""
    with transaction.atomic():
        # Without FOR KEY: a long list takes seconds, in which others still write rows that name the organization.
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        row = BannedList.objects.filter(organization=organization).first()
        old = BannedTerms(organization_id=organization.id, version=1) if row is None else _read(row)
        given = {"mode": mode, "strict": strict, "extended": extended}
        new = BannedTerms.model_validate(
            old.model_dump()
            | {name: value for name, value in given.items() if value is not None}
            | ({} if terms is None else {"terms": "\n".join(terms)})
            # Time, so that a portal restored from a backup still makes lists that are newer than those given out.
            | {"version": max(old.version + 1, int(now.timestamp()))}
        )
        kept = parse_terms(new.terms)
        content = new.to_bytes()
        if len(content) > _LONGEST:
            raise TermsRefused(f"the list is too long to be sent: {len(content)} bytes of {_LONGEST} at most")
        mapped(new)  # so that nobody waits for it who chooses a password on this machine
        BannedList.objects.update_or_create(
            organization=organization,
            defaults={
                "version": new.version,
                "content": content,
                "signature": sign_banned_terms(settings.KEYRING.requests, content),
                "changed_at": now,
            },
        )
        write(
            organization.id,
            Activity.BANNED_WORDS_CHANGED,
            result=Result.SUCCESS,
            actor=by,
            now=now,
            details={"version": new.version, "terms": len(kept), "mode": new.mode, "strict": new.strict},
        )
    return new


def shown(organization: Organization) -> BannedTerms | None:
    """The list as it was set; None when the built-in one alone counts."""
    row = BannedList.objects.filter(organization=organization).first()
    return None if row is None else _read(row)


def newer_than(organization_id: UUID, version: int) -> SignedTerms | None:
    """What an agent gets that holds this version."""
    row = BannedList.objects.filter(organization_id=organization_id, version__gt=version).first()
    if row is None:
        return None
    return SignedTerms(content=b64encode(bytes(row.content)), signature=b64encode(bytes(row.signature)))


def screening(organization_id: UUID) -> Screening:
    """What counts for the people whose password lives in the portal. Raises Forged when somebody wrote into the row."""
    version = BannedList.objects.filter(organization_id=organization_id).values_list("version", flat=True).first()
    return Screening("enforce", False, builtin()) if version is None else _screening(organization_id, version)


@lru_cache(maxsize=4)  # of 100,000 terms 8 MB each stand beside the file; to open one again takes 30 ms
def _screening(organization_id: UUID, version: int) -> Screening:
    terms = _read(BannedList.objects.get(organization_id=organization_id))
    return Screening(terms.mode, terms.strict, mapped(terms))


def _read(row: BannedList) -> BannedTerms:
    content = bytes(row.content)
    verify_banned_terms(settings.KEYRING.requests_public, content, bytes(row.signature))
    return parse(BannedTerms, content)
