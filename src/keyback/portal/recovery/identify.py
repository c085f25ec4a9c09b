"""The first step: a user ID becomes a recovery, or a refusal that holds for the whole organization."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest

from keyback.errors import KeybackError
from keyback.portal.audit.words import Activity, Result
from keyback.portal.audit.writer import write
from keyback.portal.limits.budgets import IDENTIFIED, RECOVERIES_STARTED, Budget, spend_all
from keyback.portal.limits.clients import address_of, client_of
from keyback.portal.middleware import tracking_id_of
from keyback.portal.organizations.lookup import account_name_of, normalise_user_id, resolve
from keyback.portal.organizations.models import Organization
from keyback.portal.people.models import Person
from keyback.portal.people.policies import policy_for
from keyback.portal.recovery import counted, unlocking
from keyback.portal.recovery.decide import refusal_of_organization, refusal_of_person
from keyback.portal.recovery.models import Purpose, Recovery
from keyback.portal.recovery.subjects import audit
from keyback.portal.vault import seal_value

__all__ = ["LIFE", "Refused", "origin_of", "start"]

LIFE = timedelta(minutes=15)


class Refused(KeybackError):
    """``refusal``: an SSPR code, told before anything is proved."""

    code = "refused"

    def __init__(self, organization: Organization, refusal: str) -> None:
        super().__init__(refusal)
        self.organization = organization
        self.refusal = refusal


def start(request: HttpRequest, typed: str, language: str, now: datetime) -> Recovery:
    """The same rows and queries for a known and an unknown user ID.

    Raises ValueError (not a user ID), NoOrganization, Blocked (this client, or this text from this client) and Refused.
    """
    organization, person = resolve(typed)
    user_id = normalise_user_id(typed)
    typed_hmac = counted.typed_hmac(organization, user_id)
    client = client_of(request, person.id if person else typed_hmac.hex())
    tries: list[tuple[Budget, tuple[str, ...]]] = [(IDENTIFIED, (typed_hmac.hex(), client.key))]
    if client.kind != "office":  # hundreds of people share its address
        tries.insert(0, (RECOVERIES_STARTED, (client.key,)))
    spend_all(organization.id, *tries, now=now)
    refusal = refusal_of_organization(organization, now)
    if refusal is None and organization.explain_to_person:
        refusal = _explained(organization, person, now)
    if refusal is not None:
        write(
            organization.id,
            Activity.RECOVERY_REFUSED,
            result=Result.REFUSED,
            actor="self",
            now=now,
            tracking_id=tracking_id_of(request),
            details={"refusal": refusal},
        )
        raise Refused(organization, refusal)
    with transaction.atomic():
        recovery = Recovery.objects.create(
            id=tracking_id_of(request),
            organization=organization,
            person=person,
            typed_hmac=typed_hmac,
            # Where nobody may choose a new password there is no other choice than unlocking.
            purpose=next(iter(unlocking.purposes(organization)), Purpose.RESET),
            decoy=settings.KEYRING.code_hmac("decoy", str(organization.id), account_name_of(user_id)),
            known_device=client.kind == "device",
            origin=origin_of(request, organization.id),
            language=language,
            started_at=now,
            ends_at=now + LIFE,
        )
        audit(recovery, Activity.RECOVERY_STARTED, Result.SUCCESS, now)
    return recovery


def origin_of(request: HttpRequest, organization_id: UUID) -> bytes:
    """The address that this request came from, encrypted, for the recovery that it begins."""
    address = address_of(
        request.META.get("REMOTE_ADDR", ""),
        request.META.get("HTTP_X_FORWARDED_FOR", ""),
        settings.CONFIG.trusted_proxies,
    )
    return seal_value(organization_id, tracking_id_of(request), "origin", address[:64]).encode("ascii")


def _explained(organization: Organization, person: Person | None, now: datetime) -> str | None:
    """Microsoft's behaviour, where the organization chose it: it reveals which accounts exist."""
    if person is None:
        return "SSPR_0014"
    return refusal_of_person(person, policy_for(organization, person), now)
