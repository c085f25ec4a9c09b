"""A new password ends every session that the old one opened."""

from __future__ import annotations

from datetime import datetime

from django.dispatch import receiver

from keyback.portal.account.models import AccountState
from keyback.portal.writeback.models import WritebackRequest
from keyback.portal.writeback.requests import WRITES_PASSWORD, outcome_recorded
from keyback.protocol.outcomes import OutcomeCode

__all__ = ["on_outcome"]


@receiver(outcome_recorded, dispatch_uid="account")
def on_outcome(sender: object, request: WritebackRequest, now: datetime, **_: object) -> None:
    if request.operation in WRITES_PASSWORD and request.outcome_code == OutcomeCode.DONE:
        # One statement, where update_or_create takes four: this is on the way of every reset.
        AccountState.objects.bulk_create(
            [AccountState(person_id=request.person_id, organization_id=request.organization_id, sessions_from=now)],
            update_conflicts=True,
            unique_fields=["person"],
            update_fields=["sessions_from"],
        )
