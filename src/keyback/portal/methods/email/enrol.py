"""Putting an e-mail address on file."""

from __future__ import annotations

from functools import partial

from django.utils.translation import gettext_lazy as _

from keyback.portal.methods.email.codes import DIGITS, WAY, words
from keyback.portal.methods.email.method import METHOD
from keyback.portal.methods.sending import new_code
from keyback.portal.people.contacts import add_mail, mask_mail, normalise_mail
from keyback.portal.people.mailboxes import is_own, own_domains
from keyback.portal.people.models import ContactDatum, Person
from keyback.portal.securityinfo.destinations import Destination

__all__ = ["DESTINATION"]


def _usable(person: Person, typed: str) -> str | None:
    address = normalise_mail(typed)
    return None if address is None or is_own(address, own_domains(person.organization_id)) else address


DESTINATION = Destination(
    method=METHOD.name,
    kind=ContactDatum.Kind.MAIL,
    channel=WAY.channel,
    way=WAY,
    new_code=partial(new_code, DIGITS),
    words=words,
    normalise=_usable,
    mask=mask_mail,
    add=add_mail,
    field="email",
    question=_("What is your e-mail address?"),
    label=_("E-mail address"),
    hint=_("One that you can read without your password at work, for example a private one."),
    unusable=_("Type an e-mail address outside your organization, such as name@example.com."),
    sent=_("A code of 8 digits is on its way to this address. Look in spam, junk and deleted mail too."),
)
