"""Everything here is marked `abuse`. Tests with the portal alone use its own fixtures; the others a whole Keyback."""

import pytest

from lab.testing import forest
from tests.portal.conftest import cheap_hashes
from tests.portal.recovery.conftest import ada, agent, cleo, clock, directory, make_ada, organization, walker
from tests.support.whole import mail, whole

__all__ = [
    "ada",
    "agent",
    "cheap_hashes",
    "cleo",
    "clock",
    "directory",
    "forest",
    "mail",
    "make_ada",
    "organization",
    "walker",
    "whole",
]


# Its assertions are worth being explained; this must come before anybody imports it.
pytest.register_assert_rewrite("tests.support.crash")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/abuse" in item.nodeid:
            item.add_marker(pytest.mark.abuse)
