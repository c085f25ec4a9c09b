"""Who is told of a reset or an unlocking: the person, administrators, or both, as the policy says. Of an
administrator's own all administrators are told, whatever it says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from keyback.portal.limits.budgets import Blocked, Budget, spend
from keyback.portal.messages.queue import MessageKind, enqueue
from keyback.portal.organizations.models import Administrator
from keyback.portal.people.policies import policy_for
from keyback.portal.people.roles import is_administrator, told
from keyback.portal.recovery.models import Purpose, Recovery

__all__ = ["Who", "of", "tell_administrators"]

# Of ordinary people's resets; a busy morning must not bury what administrators have to read.
TOLD = Budget("resets_told_to_administrators", 60, timedelta(hours=1))

_TOLD_OF = (Purpose.RESET, Purpose.UNLOCK)


@dataclass(frozen=True, slots=True)
class Who:
    """``administrator``: it is an administrator's own account."""

    person: bool
    administrators: bool
    administrator: bool


def of(recovery: Recovery) -> Who:
    administrator = is_administrator(recovery.organization, recovery.person)
    policy = policy_for(recovery.organization, recovery.person, administrator=administrator)
    return Who(
        person=administrator or policy is None or policy.notify_person,
        administrators=administrator or (policy is not None and policy.notify_administrators),
        administrator=administrator,
    )


def tell_administrators(recovery: Recovery, who: Who, now: datetime) -> None:
    organization, person = recovery.organization, recovery.person
    if not who.administrators or person is None or recovery.purpose not in _TOLD_OF:
        return
    if not who.administrator:
        try:
            spend(organization.id, TOLD, str(organization.id), now=now)
        except Blocked:
            return
    for administrator, address in told(organization, Administrator.Role.ADMINISTRATOR):
        enqueue(
            organization,
            kind=MessageKind.RESET_TOLD,
            to=address,
            language=administrator.language,
            context={
                "person": f"{person.display_name or person.user_id} ({person.user_id})",
                "when": f"{now:%Y-%m-%d %H:%M} UTC",
                "unlocked_only": "yes" if recovery.purpose == Purpose.UNLOCK else "",
                "administrator": "yes" if who.administrator else "",
                "tracking_id": str(recovery.id),
            },
            now=now,
            tracking_id=recovery.id,
        )
