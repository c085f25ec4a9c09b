"""Who is signed in at this browser. What is known of it stands in the signed session, which is worth nothing in any
other browser and to nobody who writes the database (keyback.portal.sessions).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import wraps
from http import HTTPStatus
from typing import Concatenate, ParamSpec
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import Resolver404, resolve, reverse
from django.utils import timezone

from keyback.portal.account.models import AccountState
from keyback.portal.errors import only
from keyback.portal.people.models import CloudPassword, Person

__all__ = [
    "LIFE",
    "SignedIn",
    "Stage",
    "add_proof",
    "methods_proved",
    "person_required",
    "renew",
    "safe_next",
    "sign_in",
    "sign_out",
    "signed_in",
    "signed_in_as",
    "where",
]

LIFE = timedelta(hours=1)
"""After that everybody types the password again, whatever they did meanwhile."""
PASSWORD = "password"  # noqa: S105 — what was proved, in ``SignedIn.proved``
_KEY = "signed_in"

P = ParamSpec("P")


class Stage(StrEnum):
    SECOND = "second"  # the password was right; another proof is asked for
    CHANGE = "change"  # the password must be changed before anything else
    FULL = "full"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """``at``: when the password was proved. ``proved``: ``password`` or ``openid``, and then the methods that were
    proved in this session. ``then``: the stage after SECOND."""

    person: Person
    at: datetime
    stage: Stage
    proved: tuple[str, ...]
    then: Stage = Stage.FULL


def sign_in(
    request: HttpRequest,
    person: Person,
    now: datetime,
    *,
    stage: Stage,
    proved: str = PASSWORD,
    then: Stage = Stage.FULL,
) -> None:
    """A new session: nothing of an earlier one, or of one planted by somebody else, lives on."""
    request.session.flush()
    _keep(request, SignedIn(person, now, stage, (proved,), then))


def add_proof(request: HttpRequest, found: SignedIn, *proofs: str, stage: Stage) -> None:
    """Who is signed in has proved these, too, and is at ``stage`` now. A new session id."""
    request.session.cycle_key()
    _keep(request, SignedIn(found.person, found.at, stage, tuple(dict.fromkeys((*found.proved, *proofs)))))


def methods_proved(request: HttpRequest) -> tuple[str, ...]:
    """The methods that were proved in this session, beside the password."""
    found = signed_in_as(request)
    return found.proved[1:] if found is not None else ()


def renew(request: HttpRequest, person: Person, at: datetime) -> bool:
    """This browser's session of this person goes on with the password that was chosen in it, at ``at``. False where
    there is none, or it does already."""
    kept = request.session.get(_KEY)
    if kept is None or kept["person"] != str(person.id) or kept["at"] == at.isoformat():
        return False
    request.session.cycle_key()
    _keep(request, SignedIn(person, at, Stage.FULL, tuple(kept["proved"])))
    return True


def sign_out(request: HttpRequest) -> None:
    request.session.flush()


def signed_in(request: HttpRequest) -> Person | None:
    """Who is signed in, with everything proved that is asked for."""
    found = signed_in_as(request)
    return found.person if found is not None and found.stage is Stage.FULL else None


def signed_in_as(request: HttpRequest) -> SignedIn | None:
    """Also whoever is half-way (see :class:`Stage`). None once the hour is over, once the password is another one, and
    for an account that is not the one that was proved."""
    kept = request.session.get(_KEY)
    if kept is None:
        return None
    at = datetime.fromisoformat(kept["at"])
    person = (
        Person.objects.select_related("organization")
        .filter(id=UUID(kept["person"]), enabled=True, removed_at__isnull=True)
        .first()
    )
    if person is None or timezone.now() - at >= LIFE or kept["bound"] != _bound(person):
        return None
    state = AccountState.objects.filter(person=person).first()
    if state is not None and state.sessions_from is not None and at < state.sessions_from:
        return None
    return SignedIn(person, at, Stage(kept["stage"]), tuple(kept["proved"]), Stage(kept["then"]))


def _keep(request: HttpRequest, found: SignedIn) -> None:
    request.session[_KEY] = {
        "person": str(found.person.id),
        "bound": _bound(found.person),
        "at": found.at.isoformat(),
        "stage": found.stage.value,
        "proved": list(found.proved),
        "then": found.then.value,
    }


def _bound(person: Person) -> list[str]:
    """The very account, and for a cloud person the very password."""
    changed_at = CloudPassword.objects.filter(person=person).values_list("changed_at", flat=True).first()
    return [str(person.forest_id), str(person.object_guid), changed_at.isoformat() if changed_at else ""]


def safe_next(path: str) -> str:
    """This path, where it is one of the portal's own pages for people who are signed in; else the home page."""
    home = reverse("account")
    if not path.startswith("/") or not path.isascii() or not path.isprintable():
        return home
    try:
        match = resolve(path)
    except Resolver404:
        return home
    return path if getattr(match.func, "person_required", False) else home


def person_required(
    *methods: str, stages: tuple[Stage, ...] = (Stage.FULL,)
) -> Callable[[Callable[Concatenate[HttpRequest, Person, P], HttpResponse]], Callable[..., HttpResponse]]:
    """The view is called with the request and the person who is signed in; whoever is not signs in first and comes
    back. ``methods``: the HTTP methods that it answers."""

    def wrap(view: Callable[Concatenate[HttpRequest, Person, P], HttpResponse]) -> Callable[..., HttpResponse]:
        @only(*methods)
        @wraps(view)
        def inner(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            found = signed_in_as(request)
            if found is None:
                response = redirect(f"{reverse('sign_in')}?{urlencode({'next': request.path})}")
            elif found.stage not in stages:
                response = redirect(where(found.stage))
            else:
                return view(request, found.person, *args, **kwargs)
            response.status_code = HTTPStatus.SEE_OTHER
            return response

        inner.person_required = "GET" in methods  # type: ignore[attr-defined]  # read by safe_next
        return inner

    return wrap


def where(stage: Stage) -> str:
    """The page to which somebody half-way is led."""
    return reverse({Stage.SECOND: "account_prove", Stage.CHANGE: "change_password"}.get(stage, "account"))
