"""Which policy covers a person, and what an organization allows at all."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from keyback.portal.audit.words import Activity, Result
from keyback.portal.audit.writer import write
from keyback.portal.organizations.models import Organization
from keyback.portal.people.models import Person, Policy

__all__ = ["change", "organization_methods", "policy_for"]


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


def change(
    organization: Organization,
    name: str,
    *,
    reset: bool | None,
    methods: list[str] | None,
    gates: int | None,
    by: str,
    now: datetime,
) -> Policy:
    """Sets what is given on the policy of this name, which is made at the end of the list where there is none."""
    with transaction.atomic():
        policy = Policy.objects.filter(organization=organization, name=name).first()
        if policy is None:
            position = Policy.objects.filter(organization=organization).count()
            policy = Policy(organization=organization, name=name, position=position)
        policy.reset = policy.reset if reset is None else reset
        policy.methods = policy.methods if methods is None else methods
        policy.gates = policy.gates if gates is None else gates
        policy.save()
        write(
            organization.id,
            Activity.POLICY_CHANGED,
            result=Result.SUCCESS,
            actor=by,
            now=now,
            details={
                "policy": name,
                "reset": policy.reset,
                "methods": ", ".join(policy.methods),
                "gates": policy.gates,
            },
        )
    return policy
