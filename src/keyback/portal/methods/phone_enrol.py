"""Putting a telephone number on file."""

from __future__ import annotations

from functools import partial

from django.urls import URLPattern
from django.utils.translation import gettext_lazy as _

from keyback.portal.methods.phone import PhoneMethod
from keyback.portal.methods.phone_codes import DIGITS, way_of, words
from keyback.portal.methods.sending import new_code
from keyback.portal.people.contacts import add_phone
from keyback.portal.people.models import Person
from keyback.portal.people.phones import mask_phone, normalise_phone
from keyback.portal.securityinfo import destination_pages
from keyback.portal.securityinfo.destinations import Destination

__all__ = ["urls"]


def urls(method: PhoneMethod) -> list[URLPattern]:
    """The addresses under /security-info/<method>/."""
    return destination_pages.urls(
        Destination(
            method=method.name,
            kind=method.kind,
            channel=method.channel,
            way=way_of(method),
            new_code=partial(new_code, DIGITS),
            words=words,
            normalise=_normalise,
            mask=mask_phone,
            add=partial(add_phone, kind=method.kind),
            field="number",
            question=method.question,
            label=_("Telephone number"),
            hint=_("Begin with + and the country code, for example +44 1632 960001. Leave out an extension."),
            unusable=_("Type the whole number, beginning with + and the country code."),
            sent=_("A code of 6 digits is on its way to this number."),
        ),
        DIGITS,
    )


def _normalise(person: Person, typed: str) -> str | None:
    return normalise_phone(typed, person.organization.phone_region)
