"""Why a person may reset or may not, for whoever administers it."""

from __future__ import annotations

from datetime import datetime

from keyback.portal.methods import installed
from keyback.portal.people.models import Person, Policy
from keyback.portal.people.policies import Look, explain, policy_for
from keyback.portal.people.policy_changes import group_names
from keyback.portal.people.roles import is_administrator
from keyback.portal.recovery.decide import gates_held, refusal_of_organization, refusal_of_person
from keyback.portal.recovery.wording import refusal_of
from keyback.portal.securityinfo.entries import entries

__all__ = ["explained"]

_WHY = {
    "everybody": "it covers everybody",
    "member": "member of {group}",
    "not_a_member": "in none of its groups",
    "names_no_group": "it names no group, and reset is for selected groups",
}


def explained(person: Person, now: datetime) -> list[tuple[str, object]]:
    """What is looked at, in its order, and what came of it. Takes no seat."""
    organization = person.organization
    names = group_names(organization)
    rows: list[tuple[str, object]] = [("person", person.user_id), ("organization", organization.name)]
    rows.append(("reset", organization.reset_scope))
    rows.append(
        (
            "looked_at",
            [_look(look, {str(key): name for key, name in names.items()}) for look in explain(organization, person)],
        )
    )
    policy = policy_for(organization, person)
    rows.append(("policy", policy.name if policy else "none"))
    if policy is not None:
        if is_administrator(organization, person):
            rows.append(("administrator", "two proofs, and no questions"))
        rows.append(("gates", policy.gates))
        rows.append(("methods", [_method(name, person) for name in policy.methods]))
        rows.append(("could_prove", sorted(gates_held(person, policy))))
    rows.append(
        (
            "outcome",
            _outcome(
                person, policy, refusal_of_organization(organization, now) or refusal_of_person(person, policy, now)
            ),
        )
    )
    return rows


def _outcome(person: Person, policy: Policy | None, refusal: str | None) -> str:
    if not person.enabled or person.removed_at is not None:
        return "disabled, or no longer in the agents' scope: nobody is known by this user ID"
    if refusal is not None:
        return f"{refusal}: {refusal_of(refusal).text}"
    return "could reset now" if policy is None or policy.reset else "could unlock now, and choose no new password"


def _look(look: Look, names: dict[str, str]) -> str:
    why = _WHY[look.why].format(group=names.get(str(look.group), look.group))
    return f"{look.policy.name} ({'covers' if look.covers else 'does not'}: {why})"


def _method(name: str, person: Person) -> str:
    method = installed().get(name)
    if method is None or not method.ready():
        return f"{name} (not set up)"
    masks = ", ".join(method.masks(person)) or "nothing usable on file"
    own = sum(not entry.proves for entry in entries(person)) if name == "email" else 0
    return f"{name} ({masks}{f'; {own} more in own domains, which proves nothing' if own else ''})"
