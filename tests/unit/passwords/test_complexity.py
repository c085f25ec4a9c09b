"""Active Directory's complexity rule, against tables taken from its documentation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyback.passwords.complexity import (
    CharacterClass,
    classes,
    contains_account_name,
    contains_display_name,
    display_name_tokens,
    utf16_units,
)

U, L, D, S, C = CharacterClass


@pytest.mark.parametrize(
    ("character", "expected"),
    [
        ("A", {U}),
        ("Ä", {U}),
        ("Ω", {U}),
        ("Ж", {U}),
        ("a", {L}),
        ("ß", {L}),
        ("ж", {L}),
        ("7", {D}),
        ("٣", set()),  # only 0 to 9 are digits
        ("日", {C}),
        ("あ", {C}),
        ("€", set()),
        ("£", set()),
        (" ", set()),
        ("😀", set()),
        ("𝐀", set()),  # outside the basic plane: two units, neither of them a letter
    ],
)
def test_each_character_belongs_to_its_class(character: str, expected: set[CharacterClass]) -> None:
    assert classes(character) == expected


@pytest.mark.parametrize("symbol", "~!@#$%^&*_-+=`|\\(){}[]:;\"'<>,.?/")
def test_every_documented_symbol_counts(symbol: str) -> None:
    assert classes(symbol) == {S}


@pytest.mark.parametrize(
    ("password", "account_name", "contained"),
    [
        ("Ada-12345678", "ada", True),
        ("xxADAxx", "ada", True),
        ("A-d-a-12345678", "ada", False),
        ("al-12345678", "al", False),  # names under three characters are not tested
        ("Ada-12345678", "ada.lovelace", False),  # only the whole name
        ("Ada.Lovelace1", "ada.lovelace", True),
        ("anything", "", False),
    ],
)
def test_the_account_name_counts_whole_and_from_three_characters(
    password: str, account_name: str, contained: bool
) -> None:
    assert contains_account_name(password, account_name) is contained


@pytest.mark.parametrize(
    ("display_name", "tokens"),
    [
        ("Erin M. Hagens", ("Erin", "Hagens")),
        ("Lovelace, Ada", ("Lovelace", "Ada")),
        ("Anna-Lena_von#Berg\tLi", ("Anna", "Lena", "von", "Berg")),
        ("O'Brien Jo", ("O'Brien",)),
        ("", ()),
    ],
)
def test_display_names_split_where_microsoft_says(display_name: str, tokens: tuple[str, ...]) -> None:
    assert display_name_tokens(display_name) == tokens


@pytest.mark.parametrize(
    ("password", "display_name", "contained"),
    [
        ("Lovelace12345", "Ada Lovelace", True),
        ("12lOvElAcE45", "Ada Lovelace", True),
        ("Love-12345-lace", "Ada Lovelace", False),
        ("Strasse-1", "Petra Straße", False),  # case mapping is one unit to one unit
        ("xSTRAßEx-1", "Petra Straße", True),
        ("M-123456-m", "Erin M. Hagens", False),
    ],
)
def test_tokens_of_the_display_name_are_found_whole(password: str, display_name: str, contained: bool) -> None:
    assert contains_display_name(password, display_name) is contained


@given(st.text())
def test_length_is_what_utf_16_needs(text: str) -> None:
    assert utf16_units(text) * 2 == len(text.encode("utf-16-le", "surrogatepass"))
