"""What should your new password be? Sealed in the browser; or, at a URL of its own, typed without JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from keyback.flows import State
from keyback.passwords import DirectoryPolicy, PersonNames, Profile, utf16_units
from keyback.passwords.complexity import display_name_tokens
from keyback.portal.limits.budgets import Blocked
from keyback.portal.limits.clients import Client, client_of
from keyback.portal.people.models import Person
from keyback.portal.recovery import browser, choose
from keyback.portal.recovery.guard import StepOver, posted, step, where
from keyback.portal.recovery.models import Purpose, Recovery
from keyback.portal.recovery.subjects import person_or_nobody, subject
from keyback.portal.recovery.views.outcome import blocked_page, blocked_text
from keyback.portal.recovery.wording import sentences
from keyback.portal.writeback.pages import for_script, sealed
from keyback.portal.writeback.preparation import AlreadyWaiting, BoxesRefused, NoAgent
from keyback.protocol.limits import MAX_PASSWORD_UTF16
from keyback.protocol.outcomes import OutcomeCode
from keyback.protocol.sealing import Sealed

__all__ = ["password", "plain", "shown_rules"]

_NEW_PASSWORD = (Purpose.RESET, Purpose.CHANGE)


@step(State.CHOOSE, purposes=_NEW_PASSWORD)
def password(request: HttpRequest, recovery: Recovery) -> HttpResponse:
    if _is_cloud(recovery):
        if request.method == "POST":
            raise StepOver
        return redirect("recover_password_plain")
    if request.method == "POST":
        return _sealed(request, recovery)
    preparation = choose.prepared(recovery, timezone.now())
    if preparation is None:
        return redirect("recover_outcome")
    context = _context(recovery)
    context["sealing"] = for_script(preparation, submit=reverse("recover_password"), step=context["step_token"])
    return render(request, "recovery/password.html", context)


def _sealed(request: HttpRequest, recovery: Recovery) -> HttpResponse:
    sent = sealed(request)
    if not browser.step_token_fits(recovery, sent.step):
        raise StepOver
    try:
        client = _client(request, recovery)
        recovery = choose.submit_sealed(recovery, sent.request_id, sent.boxes, client, timezone.now())
    except BoxesRefused:
        raise BadRequest("the boxes do not fit") from None
    except choose.NotPrepared:
        raise StepOver from None
    except Blocked as blocked:
        return _problem("blocked", blocked_text(blocked), HTTPStatus.TOO_MANY_REQUESTS)
    except AlreadyWaiting:
        return _problem("already_waiting", _busy(), HTTPStatus.CONFLICT)
    return JsonResponse({"next": where(recovery)})


@sensitive_post_parameters()
@step(State.CHOOSE, purposes=_NEW_PASSWORD)
def plain(request: HttpRequest, recovery: Recovery) -> HttpResponse:
    if not (_is_cloud(recovery) or recovery.organization.allow_plain_page):
        if request.method == "POST":
            raise BadRequest("this organization takes sealed passwords only")
        context = {"organization": recovery.organization}
        return render(request, "recovery/needs_javascript.html", context, status=HTTPStatus.FORBIDDEN)
    if request.method == "GET":
        return _plain_page(request, recovery)
    wanted = {"new_password": 1024, "new_password_again": 1024}
    if recovery.purpose == Purpose.CHANGE:
        wanted["current_password"] = 1024
    fields = posted(request, recovery, wanted)
    if error := _mistyped(fields):
        return _plain_page(request, recovery, error=error)
    submit = choose.submit_cloud if _is_cloud(recovery) else choose.submit_plain
    passwords = Sealed(new=fields["new_password"], current=fields.get("current_password"))
    return _submitted_plain(request, recovery, passwords, submit)


def _submitted_plain(
    request: HttpRequest, recovery: Recovery, passwords: Sealed, submit: Callable[..., Recovery]
) -> HttpResponse:
    try:
        recovery = submit(recovery, passwords, _client(request, recovery), timezone.now())
    except Blocked as blocked:
        return blocked_page(request, recovery.organization, blocked)
    except NoAgent:
        return redirect("recover_outcome")
    except choose.NotPrepared:
        raise StepOver from None
    except AlreadyWaiting:
        return _plain_page(request, recovery, error=("new-password", _busy()))
    if recovery.state == State.CHOOSE:
        return _plain_page(request, recovery, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    return redirect(where(recovery))


def _mistyped(fields: dict[str, str]) -> tuple[str, str] | None:
    new, again = fields["new_password"], fields["new_password_again"]
    current = fields.get("current_password", "-")
    if not current:
        return "current-password", _("Enter your current password.")
    if utf16_units(current) > MAX_PASSWORD_UTF16:
        return "current-password", _("This is not your current password. Type it once more.")
    if not new:
        return "new-password", _("Enter a new password.")
    if utf16_units(new) > MAX_PASSWORD_UTF16:
        return "new-password", _("Use at most %(count)d characters.") % {"count": MAX_PASSWORD_UTF16}
    if new != again:
        return "new-password-again", _("The two passwords are not the same. Type them once more.")
    return None


def _plain_page(
    request: HttpRequest, recovery: Recovery, error: tuple[str, str] | None = None, status: HTTPStatus | None = None
) -> HttpResponse:
    context = _context(recovery)
    if error:
        context["errors"] = [error]
    fallback = HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK
    return render(request, "recovery/password_plain.html", context, status=status or fallback)


def _context(recovery: Recovery) -> dict[str, Any]:
    person = person_or_nobody(recovery)
    policy = choose.policy_of(recovery)
    profile = choose.profile_of(recovery)
    return {
        "organization": recovery.organization,
        "person": person,
        "refusal_code": recovery.refusal if recovery.findings else "",
        "errors": [(_place(recovery), sentence) for sentence in sentences(recovery.findings)],
        "change": recovery.purpose == Purpose.CHANGE,
        "step_token": browser.step_token(recovery),
        "plain_allowed": _is_cloud(recovery) or recovery.organization.allow_plain_page,
        **shown_rules(policy, profile, PersonNames(person.account_name, person.display_name)),
    }


def shown_rules(policy: DirectoryPolicy, profile: Profile, names: PersonNames) -> dict[str, Any]:
    """What the page names; ``rules`` is for the script that ticks them."""
    return {
        "policy": policy,
        "profile": profile,
        "complexity": policy.complexity or profile.complexity,
        "shortest": max(policy.min_length, profile.min_length, profile.min_units),
        "longest": min(filter(None, (profile.max_length, profile.max_units)), default=0),
        "rules": {
            "min_length": profile.min_length,
            "min_units": max(policy.min_length, profile.min_units),
            "max_length": profile.max_length,
            "max_units": profile.max_units,
            "same_in_a_row": profile.same_in_a_row,
            "sequence": profile.sequence,
            "account_name": names.account_name,
            "name_tokens": list(display_name_tokens(names.display_name)),
        },
    }


def _place(recovery: Recovery) -> str:
    about_current = (OutcomeCode.CURRENT_WRONG, OutcomeCode.TRIES_SPENT)
    wrong = any(finding["code"] in about_current for finding in recovery.findings)
    return "current-password" if wrong else "new-password"


def _is_cloud(recovery: Recovery) -> bool:
    return recovery.person is not None and recovery.person.source == Person.Source.CLOUD


def _client(request: HttpRequest, recovery: Recovery) -> Client:
    return client_of(request, subject(recovery))


def _busy() -> str:
    return _("Something else is being done with your account at this moment. Try again in a minute.")


def _problem(code: str, message: str, status: HTTPStatus) -> HttpResponse:
    return JsonResponse({"error": code, "message": message}, status=status)
