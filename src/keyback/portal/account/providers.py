"""Setting an organization's OpenID Connect provider: what an instance's operator does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from keyback.errors import KeybackError
from keyback.portal.account.models import Provider
from keyback.portal.account.openid import discover, seal_secret
from keyback.portal.audit.words import Activity, Result
from keyback.portal.audit.writer import write
from keyback.portal.organizations.models import Domain, Organization

__all__ = ["ProviderRefused", "remove_provider", "return_address", "set_provider"]


class ProviderRefused(KeybackError):
    """This provider cannot be set; the text says why."""

    code = "provider_refused"


def set_provider(
    organization: Organization,
    issuer: str,
    *,
    client_id: str,
    secret: str,
    domains: Sequence[str],
    claim: str,
    by: str,
    now: datetime,
) -> Provider:
    """Asks the provider for its description first. Raises ProviderRefused, and ProviderUnusable."""
    verified = set(
        Domain.objects.filter(organization=organization, verified_at__isnull=False).values_list("name", flat=True)
    )
    if not secret:
        raise ProviderRefused("the file of the secret is empty")
    if missing := sorted({domain.lower() for domain in domains} - verified):
        raise ProviderRefused(f"{missing[0]} is not a verified domain of {organization.name}")
    discover(issuer)
    with transaction.atomic():
        provider = Provider.objects.filter(organization=organization).first() or Provider(organization=organization)
        provider.issuer, provider.client_id, provider.claim = issuer, client_id, claim
        provider.domains = sorted({domain.lower() for domain in domains})
        provider.secret = seal_secret(provider, secret)
        provider.save()
        _write(organization, by, now, issuer=issuer, domains=", ".join(provider.domains), claim=claim)
    return provider


def remove_provider(organization: Organization, *, by: str, now: datetime) -> bool:
    """Whether there was one."""
    with transaction.atomic():
        removed = Provider.objects.filter(organization=organization).delete()[0]
        if removed:
            _write(organization, by, now, issuer="")
    return bool(removed)


def return_address() -> str:
    return f"{settings.CONFIG.public_url}{reverse('sign_in_openid_return', urlconf='keyback.portal.urls')}"


def _write(organization: Organization, by: str, now: datetime, **details: str) -> None:
    write(organization.id, Activity.PROVIDER_CHANGED, result=Result.SUCCESS, actor=by, now=now, details=details)
