"""Telephone numbers: one spelling for each, ``+CC NNNN…``."""

from __future__ import annotations

import phonenumbers
from phonenumbers import PhoneNumberType

__all__ = ["has_extension", "is_region", "mask_phone", "normalise_phone"]

_LONGEST = 60
# Sending there costs money that somebody else earns, and people may often write their own number in the directory.
_NEVER = (PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST)


def normalise_phone(text: str, region: str) -> str | None:
    """The number as ``+44 1632960001``; None for what cannot be one. An extension is left out.

    ``region``: two letters, or empty; for numbers without a country code. Only the length of a number is judged, since
    numbering plans move faster than the tables of a library.
    """
    if len(text) > _LONGEST:
        return None
    try:
        number = phonenumbers.parse(text, region or None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number) or phonenumbers.number_type(number) in _NEVER:
        return None
    return f"+{number.country_code} {phonenumbers.national_significant_number(number)}"


def has_extension(text: str, region: str) -> bool:
    """Whether this number, which :func:`normalise_phone` can read, is written with an extension."""
    return bool(phonenumbers.parse(text, region or None).extension)


def is_region(text: str) -> bool:
    """Whether this is a region that numbers can be read for."""
    return text in phonenumbers.SUPPORTED_REGIONS


def mask_phone(number: str) -> str:
    """Enough for its owner to know it: ``+44 ••••••01``. Always six dots, so that the length stays private."""
    country, _, rest = number.partition(" ")
    return f"{country} ••••••{rest[-2:]}"
