"""Which recovery this browser is in, and which gates it opened. The session's id changes at every rise of privilege.

That a gate is open stands in the recovery's row, and is believed only with the proof that this browser's session
carries: whoever writes the database could otherwise open gates there, or put another account behind them.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest

from keyback.flows import State
from keyback.portal.middleware import tracking_id_of
from keyback.portal.organizations.models import Organization
from keyback.portal.recovery import rows
from keyback.portal.recovery.models import Recovery
from keyback.portal.recovery.subjects import account

__all__ = ["enter", "enter_within", "leave", "recovery_of", "rise", "step_token", "step_token_fits"]

_KEY = "recovery"
_PROOF = "proof"
_REFUSED = "refused"
_BEFORE_ANY_GATE = (State.PROVE, State.EXPIRED)


def enter(request: HttpRequest, recovery: Recovery) -> None:
    """A new session for a new recovery: nothing of an earlier one, or of one planted by somebody else, lives on."""
    request.session.flush()
    request.session[_KEY] = str(recovery.id)


@dataclass(frozen=True, slots=True)
class RefusedBefore:
    """This browser was checked to be human, and refused before anything was proved."""

    organization: Organization
    tracking_id: UUID
    refusal: str


def refuse(request: HttpRequest, organization: Organization, refusal: str) -> None:
    """A new session that remembers no more than this."""
    request.session.flush()
    request.session[_REFUSED] = [str(organization.id), str(tracking_id_of(request)), refusal]


def refused_of(request: HttpRequest) -> RefusedBefore | None:
    if _REFUSED not in request.session:
        return None
    organization_id, tracking_id, refusal = request.session[_REFUSED]
    organization = Organization.objects.filter(id=UUID(organization_id)).first()
    return None if organization is None else RefusedBefore(organization, UUID(tracking_id), refusal)


def enter_within(request: HttpRequest, recovery: Recovery) -> None:
    """For somebody who is signed in and stays so. A new session id."""
    request.session.cycle_key()
    request.session[_KEY] = str(recovery.id)
    request.session.pop(_PROOF, None)


def leave(request: HttpRequest) -> None:
    """The walk is over, and its pages with it."""
    request.session.pop(_KEY, None)
    request.session.pop(_PROOF, None)


def rise(request: HttpRequest, recovery: Recovery) -> None:
    """A gate was opened: whoever knew the old session id does not know the new one."""
    request.session.cycle_key()
    request.session[_PROOF] = _proof(request, recovery)


def recovery_of(request: HttpRequest) -> Recovery | None:
    """None where there is none, and where it says more than this browser has proved."""
    recovery_id = request.session.get(_KEY)
    if recovery_id is None:
        return None
    recovery = rows.found(UUID(recovery_id))
    return recovery if recovery is not None and _proved(request, recovery) else None


def _proved(request: HttpRequest, recovery: Recovery) -> bool:
    if recovery.state in _BEFORE_ANY_GATE and not recovery.gates_opened:
        return True
    return hmac.compare_digest(request.session.get(_PROOF, "").encode(), _proof(request, recovery).encode())


def _proof(request: HttpRequest, recovery: Recovery) -> str:
    """These gates, of this recovery and for its purpose, to this very account, by this browser (the database knows its
    session id as a hash only)."""
    gates = ",".join(recovery.gates_opened)
    digest: bytes = settings.KEYRING.people_hmac(
        "gates", recovery.purpose, str(recovery.id), *account(recovery), gates, request.session.session_key or ""
    )
    return digest.hex()


def step_token(recovery: Recovery) -> str:
    """What each form of this step carries. A form of another recovery (a second tab), or of a step that is over, has
    another one, and is refused before it can burn a try or do anything."""
    digest: bytes = settings.KEYRING.code_hmac(
        "step", str(recovery.id), recovery.purpose, recovery.state, ",".join(recovery.gates_opened)
    )
    return digest[:16].hex()


def step_token_fits(recovery: Recovery, given: str) -> bool:
    return hmac.compare_digest(step_token(recovery).encode(), given.encode())
