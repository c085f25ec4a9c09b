"""Generated passwords satisfy the rules they are made for."""

from __future__ import annotations

import math
import random

import pytest

from keyback.passwords import PROFILES, PersonNames, Profile, Rules, builtin, judge
from keyback.passwords.generate import ALPHABET, CannotGenerate, passphrase, random_password, usual_length
from keyback.passwords.wordlist import english_words

WORDS = english_words()


@pytest.mark.parametrize("profile", ["none", "directory", "typical", "nist"])
def test_random_passwords_satisfy_their_policy(profile: str) -> None:
    rules = Rules(PROFILES[profile], builtin())
    rng = random.Random(1)
    made = {random_password(rules, rng).password for _ in range(50)}
    assert len(made) == 50
    assert all(judge(password, PersonNames(""), rules).accepted and len(password) == 16 for password in made)


@pytest.mark.parametrize("profile", ["none", "directory", "nist", "careful"])
def test_passphrases_satisfy_their_policy(profile: str) -> None:
    rules = Rules(PROFILES[profile], builtin())
    rng = random.Random(2)
    for _ in range(10):
        made = passphrase(rules, rng, WORDS)
        assert judge(made.password, PersonNames(""), rules).accepted
        assert made.password.count("-") == 4


def test_the_entropy_is_stated_and_what_rules_refuse_is_taken_off() -> None:
    free = random_password(Rules(), random.Random(3))
    assert free.entropy_bits == pytest.approx(16 * math.log2(len(ALPHABET)))
    bound = [random_password(Rules(PROFILES["typical"]), random.Random(n), length=8).entropy_bits for n in range(20)]
    assert min(bound) < max(bound) <= 8 * math.log2(len(ALPHABET))
    assert passphrase(Rules(), random.Random(3), WORDS).entropy_bits > 60


@pytest.mark.parametrize(("length", "rule"), [(20, "too_long"), (6, "too_short")])
def test_what_cannot_be_is_told_with_the_rule(length: int, rule: str) -> None:
    with pytest.raises(CannotGenerate, match=rule):
        random_password(Rules(PROFILES["typical"]), random.Random(4), length=length)


def test_it_does_not_print_itself() -> None:
    made = random_password(Rules(), random.Random(5))
    assert made.password not in repr(made)


@pytest.mark.parametrize(
    ("profile", "length"),
    [
        (Profile(), 16),
        (Profile(min_length=24), 24),
        (Profile(min_units=20), 20),
        (Profile(min_length=8, max_length=12), 12),
        (Profile(max_units=14), 14),
    ],
)
def test_the_usual_length_is_one_that_the_rules_allow(profile: Profile, length: int) -> None:
    assert usual_length(profile) == length
    made = random_password(Rules(profile, builtin()), random.Random(1), length=usual_length(profile))
    assert len(made.password) == length
