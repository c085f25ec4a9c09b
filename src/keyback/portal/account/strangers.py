"""What somebody unknown, or not to be asked about, is shown in a sign-in that is passed through: what a person of one
forest would see there now, so that nothing tells the two apart, also while a forest is out of order.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Exists, OuterRef

from keyback.portal.account.attempts import Attempt
from keyback.portal.agents.models import AgentForest
from keyback.portal.organizations.lookup import domain_of
from keyback.portal.organizations.models import Forest
from keyback.portal.people.models import Person
from keyback.portal.recovery.decide import refusal_of_forest
from keyback.portal.writeback.models import WritebackRequest
from keyback.portal.writeback.preparation import NoAgent
from keyback.protocol.limits import QUEUE_LIFE
from keyback.protocol.messages import Operation
from keyback.protocol.outcomes import OutcomeCode

__all__ = ["Told", "forest_of", "told"]

_USUAL = timedelta(milliseconds=300)
_NO_WORD = ("", OutcomeCode.UNREACHABLE.value)


@dataclass(frozen=True, slots=True)
class Told:
    """``after``: how long the answer takes. ``unreachable``: it is that the directory could not be asked."""

    after: timedelta
    unreachable: bool


def forest_of(attempt: Attempt) -> Forest:
    """The forest of which an unknown user ID looks to be, always the same one: one in which user IDs of its domain live
    as its agents tell, else any that has people. Raises NoAgent where there is none."""
    people = Person.objects.filter(forest=OuterRef("pk"), enabled=True, removed_at=None)
    forests = list(Forest.objects.filter(Exists(people), organization=attempt.organization).order_by("pk"))
    if len(forests) > 1:
        domain = domain_of(attempt.user_id)
        links = AgentForest.objects.filter(forest__in=forests).values_list("forest_id", "domains")
        of_domain = {forest_id for forest_id, domains in links if domain in domains}
        forests = [forest for forest in forests if forest.pk in of_domain] or forests
    if not forests:
        raise NoAgent("no forest of this organization has people")
    digest: bytes = settings.KEYRING.code_hmac("the forest of an unknown user ID", attempt.typed)
    return forests[int.from_bytes(digest[:8], "big") % len(forests)]


def told(organization_id: UUID, forest_id: UUID, now: datetime) -> Told:
    """What people of this forest were told last, and as late as one of the newest twenty of those; where nobody would
    answer, as late as that is found out."""
    if refusal_of_forest(organization_id, forest_id, now) is not None:
        return Told(timedelta(seconds=QUEUE_LIFE), unreachable=True)
    newest = list(
        WritebackRequest.objects.filter(
            organization_id=organization_id,
            forest_id=forest_id,
            operation=Operation.VERIFY.value,
            finished_at__isnull=False,
        )
        .order_by("-created_at")[:20]
        .values_list("created_at", "finished_at", "outcome_code")
    )
    unreachable = bool(newest) and newest[0][2] in _NO_WORD
    took = [end - start for start, end, code in newest if end is not None and (code in _NO_WORD) == unreachable]
    return Told(secrets.choice(took) if took else _USUAL, unreachable)
