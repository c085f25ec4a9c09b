"""How it ended: done, refused and by what, not sure, or too late. Also refusals before anything was proved."""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from keyback.flows import State
from keyback.flows.recovery import ENDED
from keyback.portal.account.changing import stay_signed_in
from keyback.portal.limits.budgets import Blocked
from keyback.portal.limits.clients import remember_device
from keyback.portal.organizations.models import Organization
from keyback.portal.people.models import Person
from keyback.portal.recovery.guard import step, where
from keyback.portal.recovery.models import Purpose, Recovery
from keyback.portal.recovery.wording import Refusal, blocked_text, refusal_of, too_young_from
from keyback.protocol.outcomes import Shortfall

__all__ = ["blocked_page", "blocked_text", "outcome", "refusal_page"]

_TEMPLATES = {State.DONE: "done", State.UNSURE: "unsure", State.EXPIRED: "expired"}


@step(*ENDED, methods=("GET",))
def outcome(request: HttpRequest, recovery: Recovery) -> HttpResponse:
    if recovery.purpose == Purpose.VERIFY:
        return redirect(where(recovery))
    state = State(recovery.state)
    if state is State.REFUSED:
        return refusal_page(request, recovery.organization, recovery.refusal, recovery)
    if recovery.purpose == Purpose.CHANGE and state is State.DONE:
        stay_signed_in(request, recovery)
    context = {
        "purpose": recovery.purpose,
        "start": _start(recovery),
        "organization": recovery.organization,
        # What the write left undone, by name.
        **{finding["code"]: True for finding in recovery.findings if finding["code"] in set(Shortfall)},
        "cloud": recovery.person is not None and recovery.person.source == Person.Source.CLOUD,
    }
    response = render(request, f"recovery/{_TEMPLATES[state]}.html", context)
    if state is State.DONE and recovery.person_id is not None:
        remember_device(request, response, recovery.person_id, timezone.now())
    return response


def _start(recovery: Recovery | None) -> str:
    """Where it would begin again."""
    return "change_password" if recovery is not None and recovery.purpose == Purpose.CHANGE else "recover"


def refusal_page(
    request: HttpRequest, organization: Organization, code: str, recovery: Recovery | None = None
) -> HttpResponse:
    refusal: Refusal = refusal_of(code)
    context = {
        "organization": organization,
        "refusal": refusal,
        "possible_from": too_young_from(recovery) if recovery else None,
        "start": _start(recovery),
    }
    return render(request, "recovery/refused.html", context)


def blocked_page(
    request: HttpRequest, organization: Organization, blocked: Blocked, again: str = "recover"
) -> HttpResponse:
    """429. ``again``: the URL name of the page from which another way may be tried."""
    context = {"organization": organization, "until": blocked.until, "again": again}
    response = render(request, "recovery/blocked.html", context, status=HTTPStatus.TOO_MANY_REQUESTS)
    response["Retry-After"] = str(max(1, int((blocked.until - timezone.now()).total_seconds())))
    return response
