"""Telephone numbers: one spelling for each, ``+CC NNNN…``."""

from __future__ import annotations

import re
from functools import cache

import phonenumbers
from phonenumbers import PhoneMetadata

__all__ = ["has_extension", "is_region", "mask_phone", "normalise_phone"]

_LONGEST = 60
_PLAIN = re.compile(r"\+[1-9][0-9 ]{6,20}", re.ASCII)


def normalise_phone(text: str, region: str) -> str | None:
    """The number as ``+44 1632960001``; None for what cannot be one. An extension is left out.

    ``region``: two letters, or empty; for numbers without a country code. Only the length of a number is judged, since
    numbering plans move faster than the tables of a library.
    """
    if len(text) > _LONGEST:
        return None
    if (plain := _written_out(text)) is not None:
        return plain
    try:
        number = phonenumbers.parse(text, region or None)
    except phonenumbers.NumberParseException:
        return None
    if number.country_code is None or not phonenumbers.is_possible_number(number):
        return None
    national = phonenumbers.national_significant_number(number)
    return None if _costly(number.country_code).fullmatch(national) else f"+{number.country_code} {national}"


def _written_out(text: str) -> str | None:
    """What is asked of the library otherwise, for ``+`` and digits in which there is nothing to interpret: no trunk
    prefix, no leading zero, a possible length. Most numbers of a directory are so, and the library takes half as long
    for one as everything else that becomes of a synchronised person. None: ask the library."""
    if not _PLAIN.fullmatch(text):
        return None
    digits = text[1:].replace(" ", "")
    for length in (1, 2, 3):
        plan = _plan(int(digits[:length]))
        if plan is not None:
            trunk, lengths = plan
            national = digits[length:]
            if national[:1] in ("", "0") or trunk.match(national) or len(national) not in lengths:
                return None
            return None if _costly(int(digits[:length])).fullmatch(national) else f"+{digits[:length]} {national}"
    return None


@cache
def _plan(country_code: int) -> tuple[re.Pattern[str], frozenset[int]] | None:
    """What may stand before a national number there, and how many digits one may have; None where no such country code
    is."""
    regions = phonenumbers.region_codes_for_country_code(country_code)
    metadata = _metadata(country_code, regions[0]) if regions else None
    if metadata is None or metadata.general_desc is None:
        return None
    return re.compile(metadata.national_prefix_for_parsing or "(?!)"), frozenset(metadata.general_desc.possible_length)


@cache
def _costly(country_code: int) -> re.Pattern[str]:
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
    return re.compile("|".join(f"(?:{pattern})" for pattern in dict.fromkeys(found)) or "(?!)")


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
