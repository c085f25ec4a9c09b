"""Somebody of each kind. Hashes cost next to nothing: what they must cost is shown by test_cloud_passwords.py."""

from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher

from keyback.portal.people import cloud
from tests.portal.recovery.conftest import (
    Clock,
    ada,
    agent,
    cleo,
    clock,
    directory,
    make_ada,
    organization,
    walker,
)

__all__ = ["Clock", "ada", "agent", "cleo", "clock", "directory", "make_ada", "organization", "walker"]


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(cloud, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    cloud._nobody.cache_clear()
    yield
    cloud._nobody.cache_clear()
