"""How the portal has one object of a directory, for whoever asks on the agent's machine why a person is missing."""

from __future__ import annotations

from keyback.portal.agents.models import Agent
from keyback.portal.people.conflicts import conflicts_of
from keyback.portal.people.groups import groups_of
from keyback.portal.people.models import ContactDatum, Group, Person
from keyback.portal.people.sync import check_forest
from keyback.protocol.messages import PersonAnswer, PersonQuestion

__all__ = ["answer_about"]

_MOST_GROUPS = 100


def answer_about(agent: Agent, question: PersonQuestion) -> PersonAnswer:
    """No addresses or numbers, only their kinds. Raises ForestRefused for a forest that is not the agent's."""
    check_forest(agent, question.forest_id)
    person = Person.objects.filter(
        organization_id=agent.organization_id, forest_id=question.forest_id, object_guid=question.object_guid
    ).first()
    if person is None:
        return PersonAnswer(known=False)
    contacts = ContactDatum.objects.filter(
        organization_id=person.organization_id, person=person, origin=ContactDatum.Origin.DIRECTORY
    )
    groups = Group.objects.filter(pk__in=groups_of(person)).order_by("name")
    return PersonAnswer(
        known=True,
        person_id=person.pk,
        user_id=person.user_id,
        anchor=person.anchor,
        enabled=person.enabled,
        removed=person.removed_at is not None,
        held=person.missing_at is not None and person.removed_at is None,
        told_at=person.seen_at,
        contacts=list(contacts.order_by("kind", "position").values_list("kind", flat=True)),
        groups=list(groups.values_list("name", flat=True)[:_MOST_GROUPS]),
        conflicts=conflicts_of(person.organization_id, [person]),
    )
