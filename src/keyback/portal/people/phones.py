"""Telephone numbers: one spelling for each, ``+CC NNNN…``."""

from __future__ import annotations

import re
from functools import cache

import phonenumbers
from phonenumbers import PhoneMetadata

__all__ = ["has_extension", "is_region", "mask_phone", "normalise_phone"]

_LONGEST = 60


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
    if number.country_code is None or not phonenumbers.is_possible_number(number):
        return None
    national = phonenumbers.national_significant_number(number)
    if any(pattern.fullmatch(national) for pattern in _costly(number.country_code)):
        return None
    return f"+{number.country_code} {national}"


@cache
def _costly(country_code: int) -> tuple[re.Pattern[str], ...]:
    """Premium rate and shared cost: sending there costs money that somebody else earns, and people may often write
    their own number in the directory. Looked at alone, since the library's number_type tries all other kinds too, which
    is most of the time that a synchronised person takes."""
    found = [
        description.national_number_pattern
        for region in phonenumbers.region_codes_for_country_code(country_code)
        for metadata in (_metadata(country_code, region),)
        if metadata is not None
        for description in (metadata.premium_rate, metadata.shared_cost)
        if description is not None and description.national_number_pattern
    ]
    return tuple(re.compile(pattern) for pattern in dict.fromkeys(found))


def _metadata(country_code: int, region: str) -> PhoneMetadata | None:
    if region == phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY:
        return PhoneMetadata.metadata_for_nongeo_region(country_code, None)
    return PhoneMetadata.metadata_for_region(region, None)


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
