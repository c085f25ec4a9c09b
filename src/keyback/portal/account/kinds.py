"""The kinds of account, as audit and operators name them."""

from __future__ import annotations

from enum import StrEnum

from keyback.portal import sql
from keyback.portal.account.models import Provider
from keyback.portal.organizations.lookup import domain_of
from keyback.portal.people.models import Person

__all__ = ["Kind", "kind_of"]


class Kind(StrEnum):
    CLOUD = "cloud"  # the portal keeps the password
    PASS_THROUGH = "pass_through"  # noqa: S105 - the directory has it, and is asked at each sign-in
    FEDERATED = "federated"  # the organization's provider signs them in, whoever keeps the password


def kind_of(person: Person) -> Kind:
    """By their own user ID, whatever spelling of it was typed."""
    found = sql.select(Provider, "organization_id = %(organization)s", organization=person.organization_id)
    provider = next(iter(found), None)
    if provider is not None and domain_of(person.user_id) in provider.domains:
        return Kind.FEDERATED
    return Kind.CLOUD if person.source == Person.Source.CLOUD else Kind.PASS_THROUGH
