"""Numbers written out in full are read without the library, and read as it would."""

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from keyback.portal.people.phones import normalise_phone

CODES = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)


def by_the_library(number: str, region: str) -> str | None:
    """Brackets are something to interpret."""
    return normalise_phone(f"({number})", region)


@pytest.mark.parametrize("form", [PhoneNumberFormat.E164, PhoneNumberFormat.INTERNATIONAL])
def test_every_example_of_every_country_is_read_as_by_the_library(form: int) -> None:
    read = 0
    for code in CODES:
        for kind in PhoneNumberType.values():
            for region in phonenumbers.region_codes_for_country_code(code):
                example = (
                    phonenumbers.example_number_for_non_geo_entity(code)
                    if region == "001"
                    else phonenumbers.example_number_for_type(region, kind)
                )
                if example is not None:
                    text = phonenumbers.format_number(example, form)
                    assert normalise_phone(text, "") == by_the_library(text, ""), text
                    read += 1
    assert read > 1000


@settings(max_examples=1000, deadline=None)
@given(
    st.sampled_from(CODES).map(str) | st.integers(1, 999).map(str),
    st.text("0123456789 ", min_size=1, max_size=18),
    st.sampled_from(["", "GB", "US", "IT", "AR"]),
)
def test_any_digits_are_read_as_by_the_library(code: str, rest: str, region: str) -> None:
    number = f"+{code}{rest}"
    assert normalise_phone(number, region) == by_the_library(number, region)
