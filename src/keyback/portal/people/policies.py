"""Which policy covers a person, and what an organization allows at all.

Policies are tried in their order, and the first that covers the person counts, whatever it allows: a policy that
switches reset and unlock off for a group is an exception to those after it.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from uuid import UUID

from keyback.portal import sql
from keyback.portal.organizations.models import Organization
from keyback.portal.people.groups import groups_of
from keyback.portal.people.models import Person, Policy
from keyback.portal.people.roles import is_administrator

__all__ = [
    "ADMINISTRATORS_GATES",
    "NOT_FOR_ADMINISTRATORS",
    "Look",
    "explain",
    "organization_deeds",
    "organization_methods",
    "policy_for",
]

ADMINISTRATORS_GATES = 2
NOT_FOR_ADMINISTRATORS = frozenset({"questions"})
"""Methods that open no gate for an administrator: answers can be found out."""


@dataclass(frozen=True, slots=True)
class Look:
    """One policy that was looked at. ``why``: ``everybody``, ``member`` (of ``group``), ``not_a_member``, or
    ``names_no_group`` (where only selected groups may reset)."""

    policy: Policy
    covers: bool
    why: str
    group: UUID | None = None


def policy_for(
    organization: Organization, person: Person | None, *, administrator: bool | None = None
) -> Policy | None:
    """What applies to this person, not to be saved: of an administrator it is stricter than the row. None where no
    policy covers them. For an unknown person (None) the same queries are made in vain. ``administrator``: whether it
    is one, where the caller has found that out already."""
    found = next((look.policy for look in explain(organization, person) if look.covers), None)
    if administrator is None:
        administrator = is_administrator(organization, person)
    return _for_administrators(found) if found is not None and administrator else found


def explain(organization: Organization, person: Person | None) -> Iterator[Look]:
    """Each policy in its order, and whether and why it covers the person, up to the first that does."""
    if person is not None and person.organization_id != organization.id:
        raise ValueError("a person is covered by the policies of their own organization")
    # Looked up where a policy names groups, which is the same for everybody.
    mine = cache(lambda: groups_of(person or Person(id=uuid.uuid4(), organization=organization)))
    for policy in _policies(organization):
        look = _look(organization, policy, mine)
        yield look
        if look.covers:
            return


def _look(organization: Organization, policy: Policy, mine: Callable[[], frozenset[UUID]]) -> Look:
    if policy.groups is None:
        selected = organization.reset_scope == Organization.ResetScope.SELECTED
        return Look(policy, not selected, "names_no_group" if selected else "everybody")
    group = next((UUID(text) for text in policy.groups if UUID(text) in mine()), None)
    return Look(policy, group is not None, "not_a_member" if group is None else "member", group)


def _for_administrators(policy: Policy) -> Policy:
    stricter = copy.copy(policy)
    stricter.gates = max(policy.gates, ADMINISTRATORS_GATES)
    stricter.methods = [method for method in policy.methods if method not in NOT_FOR_ADMINISTRATORS]
    return stricter


def organization_methods(organization: Organization) -> list[str]:
    """Every method that any policy of the organization allows for a reset or for unlocking, in the order in which they
    are first named: what everybody sees before the first gate, known or not."""
    return list(dict.fromkeys(method for policy in _usable(organization) for method in policy.methods))


def organization_deeds(organization: Organization) -> list[str]:
    """``reset``, ``unlock``, both or neither: what anybody of the organization may do. Said to everybody alike."""
    usable = _usable(organization)
    return [deed for deed in ("reset", "unlock") if any(getattr(policy, deed) for policy in usable)]


def _usable(organization: Organization) -> list[Policy]:
    selected = organization.reset_scope == Organization.ResetScope.SELECTED
    return [
        policy
        for policy in _policies(organization)
        if (policy.reset or policy.unlock) and policy.methods and not (selected and policy.groups is None)
    ]


def _policies(organization: Organization) -> list[Policy]:
    """All of them in their order."""
    return [policy for (policy,) in sql.instances(_IN_ORDER, sql.values(organization=organization.id), Policy)]


# Written out, since several steps of every walk begin with it.
_IN_ORDER = (
    f"SELECT {sql.columns(Policy, 'p')} FROM {Policy._meta.db_table} p "  # noqa: S608 — a table's name
    "WHERE p.organization_id = %(organization)s ORDER BY p.position, p.id"
)
