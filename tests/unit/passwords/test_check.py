"""`check` returns everything that is wrong with a password at once."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyback.passwords import Code, DirectoryPolicy, Finding, PersonNames, check

POLICY = DirectoryPolicy(
    min_length=10,
    history=24,
    min_age=timedelta(days=1),
    max_age=timedelta(days=42),
    complexity=True,
    lockout_threshold=5,
)
ADA = PersonNames("ada", "Ada Lovelace")


def codes(password: str, person: PersonNames = ADA, policy: DirectoryPolicy = POLICY) -> list[str]:
    return [finding.code.value for finding in check(password, person, policy)]


@pytest.mark.parametrize(
    ("password", "expected"),
    [
        ("Correct-Horse-7", []),
        ("Ada-12345678", ["account_name", "display_name"]),
        ("Lovelace12345", ["display_name"]),
        ("ada", ["too_short", "classes", "account_name", "display_name"]),
        ("", ["too_short", "classes"]),
        ("onlysmallletters", ["classes"]),
        ("Small-and-Large", []),
        ("two words 2", ["classes"]),  # a space belongs to no class
        ("😀😀😀😀-aB", []),  # seven characters, but eleven units
        ("Nul-\0-inside-1", ["characters"]),
        ("Half-\ud800-pair-1", ["characters"]),
        ("aB3-" * 64, []),
        ("aB3-" * 64 + "x", ["too_long"]),
        ("😀" * 128 + "x", ["too_long"]),
    ],
)
def test_all_failures_are_returned_at_once(password: str, expected: list[str]) -> None:
    assert codes(password) == expected


def test_without_complexity_only_the_length_counts() -> None:
    assert codes("lovelace-ada", policy=replace(POLICY, complexity=False)) == []


def test_ten_thousand_characters_are_refused_by_length_alone() -> None:
    assert codes("ada" * 10_000) == ["too_long"]


@pytest.mark.parametrize("code", Code)
def test_every_code_has_a_sentence_and_survives_json(code: Code) -> None:
    finding = Finding(code, {"minimum": 7, "maximum": 256, "required": 3})
    assert json.loads(json.dumps(finding.to_dict())) == {
        "code": code.value,
        "params": {"minimum": 7, "maximum": 256, "required": 3},
        "sentence": finding.sentence,
    }
    assert "{" not in finding.sentence


def test_the_sentence_holds_the_figure_of_the_policy() -> None:
    assert check("aB1", PersonNames("x"), POLICY)[0].sentence == "Use at least 10 characters."


@given(st.text(max_size=300), st.text(max_size=40), st.text(max_size=40))
def test_no_text_whatsoever_makes_it_fail(password: str, account: str, display: str) -> None:
    for finding in check(password, PersonNames(account, display), POLICY):
        assert finding.sentence
