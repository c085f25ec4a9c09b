"""It was not me: the mail after every change has a page that stops everything for a day, and tells the administrators.

The link says nothing but that it came with the mail about this one change; the page does nothing until its button is
pressed, since programs open links too.
"""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.db import transaction
from django.urls import reverse

from keyback.portal.account.models import AccountState
from keyback.portal.audit.words import Activity, Result
from keyback.portal.audit.writer import write
from keyback.portal.messages.queue import MessageKind, enqueue
from keyback.portal.organizations.setup import administrators
from keyback.portal.people.models import Person

if TYPE_CHECKING:
    from keyback.portal.recovery.models import Recovery

__all__ = ["HELD", "hold", "is_held", "link", "recovery_behind"]

HELD = "held"
"""A refusal of our own, beside the SSPR codes."""
_LASTS = timedelta(hours=24)
_LINK_LIFE = timedelta(days=7)


def link(recovery: Recovery) -> str:
    """The path for the mail about this change."""
    return reverse("not_me", urlconf="keyback.portal.urls", args=[recovery.id, _proof(recovery.id)])


def recovery_behind(recovery_id: UUID, proof: str, now: datetime) -> Recovery | None:
    """The change that the link is about; None for a bent or an old link."""
    if not hmac.compare_digest(_proof(recovery_id).encode(), proof.encode()):
        return None
    recoveries = apps.get_model("recovery", "Recovery").objects.select_related("organization", "person")
    found: Recovery | None = recoveries.filter(
        id=recovery_id, person__isnull=False, written_at__gt=now - _LINK_LIFE
    ).first()
    return found


def _proof(recovery_id: UUID) -> str:
    digest: bytes = settings.KEYRING.code_hmac("not me", str(recovery_id))
    return digest[:20].hex()


def is_held(person: Person, now: datetime) -> bool:
    return AccountState.objects.filter(person_id=person.pk, held_until__gt=now).exists()


def hold(person: Person, tracking_id: UUID, now: datetime) -> None:
    """Signs the person out everywhere, and lets nothing of the account be changed here for a day. Pressed again, it
    changes nothing."""
    with transaction.atomic():
        # Without FOR KEY: who has written rows that name the person can commit them, and two who did do not deadlock.
        Person.objects.select_for_update(no_key=True).get(pk=person.pk)
        if is_held(person, now):
            return
        AccountState.objects.update_or_create(
            person=person,
            defaults={
                "organization_id": person.organization_id,
                "sessions_from": now,
                "held_until": now + _LASTS,
            },
        )
        write(
            person.organization_id,
            Activity.ACCOUNT_HELD,
            result=Result.SUCCESS,
            actor="self",
            now=now,
            tracking_id=tracking_id,
            details={"person": str(person.id)},
        )
        for administrator, address in administrators(person.organization):
            enqueue(
                person.organization,
                kind=MessageKind.NOT_ME,
                to=address,
                language=administrator.language,
                context={
                    "user_id": person.user_id,
                    "tracking_id": str(tracking_id),
                    "until": f"{now + _LASTS:%Y-%m-%d %H:%M} UTC",
                },
                now=now,
                tracking_id=tracking_id,
            )
