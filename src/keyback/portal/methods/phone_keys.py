"""*Press # to confirm*: a call that speaks no code, where the gateway reports which keys were pressed.

Whoever presses # opens the gate for the browser in which the call was asked for, and for no other. That it was pressed
stands in the challenge's row, and is believed only with a proof that whoever writes the database cannot make.
"""

from __future__ import annotations

import hmac
import json
from http import HTTPStatus
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from keyback.portal.config import GatewayConfig
from keyback.portal.errors import only
from keyback.portal.methods import challenges, pages, proofs
from keyback.portal.methods.phone import PhoneMethod
from keyback.portal.recovery.guard import posted
from keyback.portal.recovery.models import Challenge, Recovery
from keyback.portal.recovery.subjects import account

__all__ = ["is_pressed", "pressed_page", "report"]

_LONGEST_REPORT = 4_096
_SHORTEST_SECRET = 16
"""Characters: nothing counts the tries of whoever guesses at it."""


def pressed_page(method: PhoneMethod, request: HttpRequest, recovery: Recovery, challenge: Challenge) -> HttpResponse:
    """Waits for the key; a POST goes on, once it was pressed."""
    if request.method == "GET":
        return _page(method, request, recovery)
    posted(request, recovery, {})
    if not is_pressed(challenge, recovery):  # nothing was guessed: it costs no try
        return _page(
            method, request, recovery, _("No # has come yet. Take the call, and press # when you are asked to.")
        )

    def take() -> bool:
        return challenges.take(challenge, timezone.now())

    too_late = _("That call is too old. Have yourself called again.")
    return pages.proved(
        request,
        recovery,
        lambda client, now: proofs.prove(recovery, method.name, client, now, lambda: take),
        lambda: _page(method, request, recovery, too_late),
    )


def _page(method: PhoneMethod, request: HttpRequest, recovery: Recovery, error: str = "") -> HttpResponse:
    return pages.page(
        request,
        recovery,
        "phone/press.html",
        "go-on",
        error,
        method=method,
        number_url=f"{method.name}_number",
        code_url=f"{method.name}_code",
        state_url=f"{method.name}_state",
    )


def is_pressed(challenge: Challenge, recovery: Recovery) -> bool:
    return hmac.compare_digest(bytes(challenge.pressed or b""), _proof(challenge, recovery))


def _proof(challenge: Challenge, recovery: Recovery) -> bytes:
    digest: bytes = settings.KEYRING.people_hmac("pressed", str(challenge.id), str(recovery.id), *account(recovery))
    return digest


@csrf_exempt  # no browser comes here: the gateway shows a secret of its own
@only("POST")
def report(request: HttpRequest) -> HttpResponse:
    """From the gateway: JSON ``{"id": …, "key": "#"}``, with the id that the call was given. 204, whatever it was
    about; 401 without the right secret."""
    if not _is_gateway(request):
        return JsonResponse({"error": "unauthorized"}, status=HTTPStatus.UNAUTHORIZED)
    try:
        said = json.loads(request.body if len(request.body) <= _LONGEST_REPORT else b"")
        message_id, key = UUID(str(said["id"])), str(said["key"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return JsonResponse({"error": "malformed"}, status=HTTPStatus.BAD_REQUEST)
    if key == "#":
        _press(message_id)
    return HttpResponse(status=HTTPStatus.NO_CONTENT)


def _is_gateway(request: HttpRequest) -> bool:
    gateway = settings.CONFIG.voice
    if not isinstance(gateway, GatewayConfig) or gateway.keys is None:
        return False
    secret = gateway.keys.read_text("utf-8").strip()
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return len(secret) >= _SHORTEST_SECRET and hmac.compare_digest(secret.encode(), given.encode())


def _press(message_id: UUID) -> None:
    alive = Challenge.objects.filter(
        message_id=message_id, datum__isnull=False, used_at=None, expires_at__gt=timezone.now()
    )
    challenge = alive.select_related("recovery__person").first()
    if challenge is not None:
        alive.update(pressed=_proof(challenge, challenge.recovery))
