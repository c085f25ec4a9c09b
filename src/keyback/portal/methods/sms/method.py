"""What the list of methods says about it."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from keyback.portal.messages.models import Channel
from keyback.portal.methods.phone import PhoneMethod
from keyback.portal.people.models import ContactDatum

__all__ = ["METHOD"]

METHOD = PhoneMethod(
    name="sms",
    gate="mobile",
    kind=ContactDatum.Kind.MOBILE,
    channel=Channel.SMS,
    noun=_("Mobile number"),
    title=_("Get a code by text message"),
    description=_("We send 6 digits to a mobile number that your organization has on file for you."),
    question=_("What is your mobile number?"),
    sent=_("If this number is on file, a text message is on its way to it."),
    missing=_("Has the telephone reception? A text message may take a minute."),
)
