"""The mail that "contact your administrator" sends. What is in it was typed by a stranger, and it says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from keyback.portal.audit.words import Activity, Result
from keyback.portal.audit.writer import write
from keyback.portal.limits.budgets import Budget, spend_all
from keyback.portal.limits.clients import Client
from keyback.portal.messages.queue import MessageKind, enqueue
from keyback.portal.organizations.lookup import normalise_user_id
from keyback.portal.organizations.models import Administrator, Organization
from keyback.portal.people.roles import told
from keyback.portal.recovery.browser import RefusedBefore
from keyback.portal.recovery.counted import typed_hmac
from keyback.portal.recovery.models import Recovery

__all__ = ["Asking", "of_nobody", "of_recovery", "of_refusal", "send"]

# Each mail goes to everybody who can help: what is sent for one person, from one place and in all stays readable.
BY_ONE_CLIENT = Budget("contact_forms_by_one_client", 3, timedelta(hours=1))
ABOUT_ONE_TEXT = Budget("contact_forms_about_one_user_id", 3, timedelta(hours=24))
FOR_ONE_ORGANIZATION = Budget("contact_forms_for_one_organization", 30, timedelta(hours=1))

_Role = Administrator.Role


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks, as far as this portal knows. ``proved``: how many gates are open; ``person``: the user ID of the
    account, where any is."""

    organization: Organization
    tracking_id: UUID | None = None
    proved: int = 0
    person: str = ""
    refusal: str = ""

    @property
    def reachable(self) -> bool:
        """Whether there is anybody whom a mail reaches."""
        return bool(told(self.organization, _Role.HELPDESK, _Role.ADMINISTRATOR))

    @property
    def form(self) -> bool:
        """Whether this browser may send one."""
        return self.tracking_id is not None and not self.organization.contact_url and self.reachable


def of_recovery(recovery: Recovery) -> Asking:
    proved = len(recovery.gates_opened)
    return Asking(
        recovery.organization,
        recovery.id,
        proved,
        recovery.person.user_id if recovery.person and proved else "",
        recovery.refusal,
    )


def of_refusal(refused: RefusedBefore) -> Asking:
    return Asking(refused.organization, refused.tracking_id, refusal=refused.refusal)


def of_nobody(organization: Organization) -> Asking:
    return Asking(organization)


def send(asking: Asking, fields: Mapping[str, str], client: Client, now: datetime) -> int:
    """To the helpdesk, or where nobody has that role to the administrators: at most a hundred. How many. Raises
    Blocked, and ValueError for what is no user ID."""
    organization = asking.organization
    typed = normalise_user_id(fields["user_id"])
    shared = str(organization.id), *([client.key] if client.kind == "device" else [])
    tries: list[tuple[Budget, tuple[str, ...]]] = [
        (ABOUT_ONE_TEXT, (typed_hmac(organization, typed).hex(), client.key)),
        (FOR_ONE_ORGANIZATION, shared),
    ]
    if client.kind != "office":  # hundreds of people share its address
        tries.insert(0, (BY_ONE_CLIENT, (client.key,)))
    spend_all(organization.id, *tries, now=now)
    found = told(organization, _Role.HELPDESK, _Role.ADMINISTRATOR)
    with transaction.atomic():
        for administrator, address in found:
            enqueue(
                organization,
                kind=MessageKind.CONTACT_FORM,
                to=address,
                language=administrator.language,
                context={
                    "typed": typed,
                    "reach": fields["reach"].strip(),
                    "words": fields["words"].strip(),
                    "proved": asking.proved,
                    "person": asking.person,
                    "refusal": asking.refusal,
                    "tracking_id": str(asking.tracking_id),
                },
                now=now,
                tracking_id=asking.tracking_id,
            )
        write(
            organization.id,
            Activity.CONTACT_FORM_SENT,
            result=Result.SUCCESS,
            actor="self",
            now=now,
            tracking_id=asking.tracking_id,
            details={"recipients": len(found)},
            personal={"typed": typed},
        )
    return len(found)
