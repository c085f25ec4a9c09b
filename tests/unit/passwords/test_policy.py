"""A policy travels between agent and portal as plain JSON."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from keyback.passwords import DirectoryPolicy

DOMAIN = DirectoryPolicy(7, 24, timedelta(days=1), timedelta(days=42), True, 0)
FINE = DirectoryPolicy(14, 0, timedelta(0), None, False, 10, name="Staff")


@pytest.mark.parametrize("policy", [DOMAIN, FINE])
def test_a_policy_survives_json(policy: DirectoryPolicy) -> None:
    assert DirectoryPolicy.from_dict(json.loads(json.dumps(policy.to_dict()))) == policy


def test_a_fraction_of_a_second_is_told_as_a_whole_one() -> None:
    policy = DirectoryPolicy(7, 24, timedelta(milliseconds=1), None, True, 0)
    assert policy.to_dict()["min_age_seconds"] == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("min_length", -1),
        ("min_length", "7"),
        ("history", True),
        ("min_age_seconds", None),
        ("min_age_seconds", 10**30),
        ("max_age_seconds", 1.5),
        ("complexity", 1),
        ("lockout_threshold", []),
        ("name", 5),
    ],
)
def test_a_wrong_field_is_named(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"^{field} must be"):
        DirectoryPolicy.from_dict(DOMAIN.to_dict() | {field: value})


def test_a_missing_field_is_named() -> None:
    with pytest.raises(ValueError, match=r"^complexity must be"):
        DirectoryPolicy.from_dict({})
