"""Which policy covers a person, and what an organization allows at all."""

from __future__ import annotations

from keyback.portal.organizations.models import Organization
from keyback.portal.people.models import Person, Policy

__all__ = ["organization_methods", "policy_for"]


def policy_for(organization: Organization, person: Person | None) -> Policy | None:
    """The first policy that covers this person, None where there is none (SSPR_0011). Unknown people are covered like
    anybody, so that the same work is done for them."""
    if person is not None and person.organization_id != organization.id:
        raise ValueError("a person is covered by the policies of their own organization")
    return Policy.objects.filter(organization=organization, reset=True).order_by("position", "id").first()


def organization_methods(organization: Organization) -> list[str]:
    """Every method that any policy of the organization allows, in the order in which they are first named: what
    everybody sees before the first gate, known or not."""
    policies = Policy.objects.filter(organization=organization, reset=True).order_by("position", "id")
    return list(dict.fromkeys(method for policy in policies for method in policy.methods))
