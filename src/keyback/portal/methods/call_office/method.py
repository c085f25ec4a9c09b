"""What the list of methods says about it."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from keyback.portal.messages.models import Channel
from keyback.portal.methods.phone import PhoneMethod
from keyback.portal.people.models import ContactDatum

__all__ = ["METHOD"]

METHOD = PhoneMethod(
    name="call_office",
    gate="office_phone",
    kind=ContactDatum.Kind.OFFICE_PHONE,
    channel=Channel.VOICE,
    noun=_("Office telephone"),
    title=_("Get a call on your office phone"),
    description=_("We call an office number that your organization has on file for you, and a voice says 6 digits."),
    question=_("What is your office number?"),
    sent=_("If this number is on file, we are calling it now. A voice says the code twice."),
    missing=_("Is the telephone free and near you? Your voicemail may have taken the call."),
)
