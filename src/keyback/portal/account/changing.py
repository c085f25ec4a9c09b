"""Changing one's own password, with the current one: the same walk as a recovery, whose gate is the sign-in."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.http import HttpRequest

from keyback.flows import Event
from keyback.portal.account.models import AccountState
from keyback.portal.account.signin import PASSWORD, SignedIn, renew
from keyback.portal.account.verification import walk_for
from keyback.portal.people.models import CloudPassword, Person
from keyback.portal.people.policies import policy_for
from keyback.portal.recovery import browser, inspection
from keyback.portal.recovery.models import Purpose, Recovery
from keyback.portal.recovery.moves import move
from keyback.portal.recovery.rows import locked

__all__ = ["allowed", "begin", "stay_signed_in"]


def allowed(person: Person) -> bool:
    """Where no policy covers somebody, nothing says that they may not."""
    policy = policy_for(person.organization, person)
    return policy is None or policy.change


def begin(request: HttpRequest, found: SignedIn, now: datetime) -> Recovery:
    """The walk, at the look at the account, or where there is nothing to look at, at the new password."""
    with transaction.atomic():
        recovery = locked(walk_for(request, found.person, Purpose.CHANGE, now))
        if found.person.source == Person.Source.CLOUD:
            recovery = move(recovery, Event.LAST_GATE_OPENED_CLOUD, gates_opened=[PASSWORD])
        else:
            recovery = move(recovery, Event.LAST_GATE_OPENED, gates_opened=[PASSWORD])
            recovery = inspection.begin(recovery, now, may_reset=False)
    browser.enter_within(request, recovery)
    browser.rise(request, recovery)
    return recovery


def stay_signed_in(request: HttpRequest, recovery: Recovery) -> None:
    """A new password ends every session but the one in which it was chosen: that goes on, as long as no other password
    came after it."""
    at = recovery.written_at
    if recovery.person is None or at is None:
        return
    if recovery.person.source == Person.Source.CLOUD:
        newest = CloudPassword.objects.filter(person=recovery.person).values_list("changed_at", flat=True).first()
    else:
        state = AccountState.objects.filter(person=recovery.person)
        newest = state.values_list("sessions_from", flat=True).first()
    if newest == at and renew(request, recovery.person, at):
        browser.rise(request, recovery)  # the page can be loaded again
