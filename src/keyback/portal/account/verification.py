"""Proving something more than the password, while signed in: the second step of a sign-in, and before security info is
changed. The same methods, pages and limits as in a recovery; where it ends, nothing else happens."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import get_language

from keyback.flows import State
from keyback.portal.account.signin import SignedIn, Stage, add_proof, safe_next, where
from keyback.portal.audit.words import Activity, Result
from keyback.portal.middleware import tracking_id_of
from keyback.portal.organizations.lookup import normalise_user_id
from keyback.portal.people.models import Person
from keyback.portal.recovery import browser
from keyback.portal.recovery.identify import LIFE, origin_of
from keyback.portal.recovery.models import Purpose, Recovery
from keyback.portal.recovery.subjects import audit

__all__ = ["begin", "complete", "walk_for"]

_AFTER = "after_proof"


def begin(request: HttpRequest, person: Person, after: str, now: datetime) -> Recovery:
    """``after``: the page to which the person wants to go then."""
    recovery = walk_for(request, person, Purpose.VERIFY, now)
    browser.enter_within(request, recovery)
    request.session[_AFTER] = after
    return recovery


def walk_for(request: HttpRequest, person: Person, purpose: Purpose, now: datetime) -> Recovery:
    """A walk of somebody who is signed in."""
    typed: bytes = settings.KEYRING.code_hmac(
        "typed user id", str(person.organization_id), normalise_user_id(person.user_id)
    )
    with transaction.atomic():
        recovery = Recovery.objects.create(
            id=tracking_id_of(request),
            organization=person.organization,
            person=person,
            purpose=purpose,
            typed_hmac=typed,
            origin=origin_of(request, person.organization_id),
            language=get_language() or "en",
            started_at=now,
            ends_at=now + LIFE,
        )
        audit(recovery, Activity.RECOVERY_STARTED, Result.SUCCESS, now)
    return recovery


def complete(request: HttpRequest, found: SignedIn) -> str | None:
    """The page to go on to; None where nothing was proved, by this browser, for this person, since they signed in."""
    recovery = browser.recovery_of(request)
    if (
        recovery is None
        or recovery.purpose != Purpose.VERIFY
        or recovery.state != State.DONE
        or recovery.person_id != found.person.id
        or recovery.started_at < found.at
    ):
        return None
    stage = found.then if found.stage is Stage.SECOND else found.stage
    add_proof(request, found, *recovery.gates_opened, stage=stage)
    browser.leave(request)
    after = safe_next(str(request.session.pop(_AFTER, "")))
    return after if stage is Stage.FULL else where(stage)
