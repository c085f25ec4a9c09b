"""`judge`: every rule of every profile, all failures at once."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyback.errors import ConfigurationError
from keyback.passwords import PROFILES, BannedWords, DirectoryPolicy, PersonNames, Profile, Rules, builtin, judge
from keyback.passwords.profiles import load_profile
from keyback.passwords.rules import longest_repeat, longest_sequence, similarity_percent
from keyback.passwords.strength import estimate

NOBODY = PersonNames("")
ADA = PersonNames("ada", "Ada Lovelace", user_id="countess@corp.example.test", organization=("Contoso Ltd",))


def codes(password: str, rules: Rules, person: PersonNames = NOBODY, current: str | None = None) -> list[str]:
    return [finding.code.value for finding in judge(password, person, rules, current=current).findings]


@pytest.mark.parametrize(
    ("password", "expected"),
    [
        ("Abcdef1!", []),
        ("Abcdefghijkl12!!", []),
        ("Abcdefghijkl123!!", ["too_long"]),
        ("Abc1!", ["too_short"]),
        ("Abcdefg12", ["symbol"]),
        ("abcdefg!", ["upper", "digit"]),
        ("ABC 123 ABC", ["lower", "symbol"]),
        ("", ["too_short", "upper", "lower", "digit", "symbol"]),
    ],
)
def test_the_typical_profile(password: str, expected: list[str]) -> None:
    assert codes(password, Rules(PROFILES["typical"])) == expected


@pytest.mark.parametrize(
    ("password", "expected"),
    [
        ("fourteen-chars", ["too_short"]),
        ("fifteen-chars-x", []),
        ("pässwörter zählen", []),
        ("😀" * 15, []),  # code points, not units
        ("only small letters and spaces are fine " * 3, []),
    ],
)
def test_the_nist_profile(password: str, expected: list[str]) -> None:
    assert codes(password, Rules(PROFILES["nist"])) == expected


def test_the_directory_profile_counts_units_and_names() -> None:
    rules = Rules(Profile.of_directory(DirectoryPolicy(10, 0, timedelta(0), None, True, 0)))
    assert codes("😀😀😀😀-aB", rules) == []
    assert codes("Ada-1", rules, ADA) == ["too_short", "account_name", "display_name"]


def test_names_of_every_kind_are_held_against_it() -> None:
    rules = Rules(banned=BannedWords.of([]), names=("Widget",))
    for password in ("xx-l0velace-xx", "c0unte$$-xx-12", "CONTOSO-12345", "my-w1dget".replace("1", "i")):
        assert codes(password, rules, ADA) == ["name"], password
    assert codes("Ada-12345678", rules, ADA) == []


def test_all_failures_come_at_once() -> None:
    rules = Rules(replace(PROFILES["typical"], same_in_a_row=2, sequence=3), builtin(), breached=["Contoso1111"])
    found = codes("contoso1111", rules, ADA)
    assert found == ["upper", "symbol", "repeats", "banned", "name"]
    assert codes("Contoso1111", rules, ADA)[-1] == "breached"


@pytest.mark.parametrize(("text", "longest"), [("", 0), ("a", 1), ("aabbb", 3), ("aAaA", 1), ("11111", 5)])
def test_repeats(text: str, longest: int) -> None:
    assert longest_repeat(text) == longest


@pytest.mark.parametrize(
    ("text", "longest"),
    [("", 0), ("a", 1), ("abcd", 4), ("xCBAx", 3), ("12-34", 2), ("9876a", 4), ("aBc", 3), ("aceg", 1)],
)
def test_sequences(text: str, longest: int) -> None:
    assert longest_sequence(text) == longest


@pytest.mark.parametrize(
    ("new", "expected"),
    [("Summer-Rain-2027", ["similar"]), ("summerrain2026", ["similar"]), ("Quite-Another-One", [])],
)
def test_a_new_password_may_not_be_like_the_current_one(new: str, expected: list[str]) -> None:
    rules = Rules(Profile(similar_percent=70))
    assert codes(new, rules, current="Summer-Rain-2026") == expected
    assert codes(new, rules) == []
    assert similarity_percent("abc", "abc") == 100


def test_strength_is_estimated_and_knows_the_person() -> None:
    assert estimate("password").score == 0
    assert estimate("").score == 0
    assert estimate("Kd8%vw-Qz2#m-77").score == 4
    assert estimate("Lovelace1", ADA).guesses_log10 < estimate("Lovelace1").guesses_log10
    assert codes("password1", Rules(Profile(strength=3))) == ["weak"]


def test_ten_thousand_characters_are_refused_by_length_alone() -> None:
    judgement = judge("contoso" * 1_500, ADA, Rules(PROFILES["careful"], builtin(), strict=True), current="x" * 10_000)
    assert [finding.code for finding in judgement.findings] == ["too_long"]
    assert judgement.verdict is None


def test_a_judgement_does_not_print_the_password() -> None:
    assert "sesame" not in repr(judge("sesame", ADA, Rules(banned=builtin())))


@settings(deadline=None)
@given(st.text(max_size=300), st.text(max_size=30), st.text(max_size=300), st.booleans())
def test_no_text_whatsoever_makes_it_fail(password: str, name: str, current: str, strict: bool) -> None:
    rules = Rules(PROFILES["careful"], builtin(), strict, names=(name,))
    for finding in judge(password, PersonNames(name, name, user_id=name), rules, current=current).findings:
        assert finding.sentence


def test_a_policy_file_starts_from_a_profile(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text('profile = "typical"\nmax_length = 64\nsymbol = false\n')
    assert load_profile(path) == replace(PROFILES["typical"], max_length=64, symbol=False)


def test_a_policy_file_may_be_a_directorys_policy(tmp_path: Path) -> None:
    policy = DirectoryPolicy(9, 24, timedelta(days=1), None, True, 5)
    (tmp_path / "policy.json").write_text(json.dumps(policy.to_dict()))
    assert load_profile(tmp_path / "policy.json") == Profile.of_directory(policy)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('profile = "strong"', "profile must be one of"),
        ("minimum = 8", "minimum: no such rule"),
        ("min_length = -1", "min_length must be a whole number"),
        ("min_length = true", "min_length must be a whole number"),
        ("upper = 1", "upper must be true or false"),
        ("min_length =", "policy"),
        ('{"min_age_seconds": 0}', "complexity must be"),
    ],
)
def test_a_wrong_policy_file_is_told_in_one_line(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "policy").write_text(text)
    with pytest.raises(ConfigurationError, match=problem):
        load_profile(tmp_path / "policy")
