"""People as tests make them."""

from typing import Any

from keyback.portal.people.binding import binding_of
from keyback.portal.people.models import Person


def directory_person(**values: Any) -> Person:
    """As synchronisation would have written this person, without a push."""
    person = Person(source=Person.Source.DIRECTORY, **values)
    person.binding = binding_of(person)
    person.save()
    return person
