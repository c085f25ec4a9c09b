"""Addresses as most are, are read without Django's validator, and never otherwise than by it."""

import pytest
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keyback.portal.people.contacts import normalise_mail

is_mail = EmailValidator()


@settings(max_examples=1000, deadline=None)
@given(
    st.text("aZ9._+-\"'", min_size=1, max_size=8),
    st.lists(st.text("aZ9-_", min_size=1, max_size=5), min_size=1, max_size=4).map(".".join),
)
@example("a", f"{'a' * 64}.test")
@example("a", f"a.{'b' * 64}")
@example("a", "example.t")
def test_what_is_taken_is_what_the_validator_takes(local: str, domain: str) -> None:
    address = f"{local}@{domain}"
    try:
        is_mail(address)
        taken = True
    except ValidationError:
        taken = False
    assert normalise_mail(address) == (f"{local}@{domain.lower()}" if taken else None)


@pytest.mark.parametrize("address", ["ana@mail.test\n", " ana@mail.test", "ana@MAIL.Test"])
def test_a_plain_address_has_one_spelling(address: str) -> None:
    assert normalise_mail(address) == "ana@mail.test"
