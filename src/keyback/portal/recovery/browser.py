"""Which recovery this browser is in. The session holds nothing else, and its id changes at every rise of privilege."""

from __future__ import annotations

import hmac
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest

from keyback.portal.recovery.models import Recovery

__all__ = ["enter", "recovery_of", "rise", "step_token", "step_token_fits"]

_KEY = "recovery"


def enter(request: HttpRequest, recovery: Recovery) -> None:
    """A new session for a new recovery: nothing of an earlier one, or of one planted by somebody else, lives on."""
    request.session.flush()
    request.session[_KEY] = str(recovery.id)


def rise(request: HttpRequest) -> None:
    """More is possible from here on: whoever knew the old session id does not know the new one."""
    request.session.cycle_key()


def recovery_of(request: HttpRequest) -> Recovery | None:
    recovery_id = request.session.get(_KEY)
    if recovery_id is None:
        return None
    return Recovery.objects.select_related("organization", "person").filter(id=UUID(recovery_id)).first()


def step_token(recovery: Recovery) -> str:
    """What each form of this step carries. A form of another recovery (a second tab), or of a step that is over, has
    another one, and is refused before it can burn a try or do anything."""
    digest: bytes = settings.KEYRING.code_hmac(
        "step", str(recovery.id), recovery.state, ",".join(recovery.gates_opened)
    )
    return digest[:16].hex()


def step_token_fits(recovery: Recovery, given: str) -> bool:
    return hmac.compare_digest(step_token(recovery).encode(), given.encode())
