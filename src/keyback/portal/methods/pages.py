"""What the pages of registered methods share: the beginning, and what follows a proof."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from keyback.flows import State
from keyback.portal.limits.budgets import Blocked
from keyback.portal.limits.clients import Client, client_of
from keyback.portal.methods.challenges import ask
from keyback.portal.methods.proofs import ProofRefused
from keyback.portal.recovery.browser import rise, step_token
from keyback.portal.recovery.gates import offered
from keyback.portal.recovery.guard import posted, step, where
from keyback.portal.recovery.models import Recovery
from keyback.portal.recovery.subjects import subject
from keyback.portal.recovery.views.outcome import blocked_page

__all__ = ["is_offered", "page", "proved", "start_asking", "start_at"]

Prove = Callable[[Client, datetime], Recovery]


def start_at(name: str) -> Callable[..., HttpResponse]:
    """The view that the list of methods posts to: it leads to the page of this URL name."""

    @step(State.PROVE, methods=("POST",))
    def start(request: HttpRequest, recovery: Recovery) -> HttpResponse:
        posted(request, recovery, {})
        return redirect(name)

    return start


def start_asking(method: str, name: str) -> Callable[..., HttpResponse]:
    """The same for a method that begins with a challenge."""

    @step(State.PROVE, methods=("POST",))
    def start(request: HttpRequest, recovery: Recovery) -> HttpResponse:
        posted(request, recovery, {})
        ask(recovery, method, timezone.now())
        return redirect(name)

    return start


def is_offered(recovery: Recovery, method: str) -> bool:
    """Whether this browser may prove it now."""
    return method in {choice.name for choice in offered(recovery)}


def proved(request: HttpRequest, recovery: Recovery, prove: Prove, wrong: Callable[[], HttpResponse]) -> HttpResponse:
    """Judges what was typed. ``wrong``: the page again, with what to do."""
    try:
        recovery = prove(client_of(request, subject(recovery)), timezone.now())
    except Blocked as blocked:
        return blocked_page(request, recovery.organization, blocked, again="recover_prove")
    except ProofRefused:
        return wrong()
    rise(request, recovery)
    return redirect(where(recovery))


def page(
    request: HttpRequest, recovery: Recovery, template: str, field: str = "", error: str = "", **more: object
) -> HttpResponse:
    """A page of this step; 422 with an error, which names the field."""
    context = {
        "organization": recovery.organization,
        "error": (field, error) if error else None,
        "step_token": step_token(recovery),
        **more,
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK
    return render(request, template, context, status=status)
