"""The agent against a real forest, with a portal of a few lines in front of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from tests.lab.agent.desk import Desk

from keyback.directory import DirectoryServer, connect, find_account
from lab import Forest


@pytest.fixture
def desk(forest: Forest, tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(forest, tmp_path / "agent")
    yield desk
    desk.close()


@pytest.fixture(scope="session")
def guid_of(forest: Forest) -> Callable[[str], UUID]:
    """The objectGUID of an account by its name."""
    server = DirectoryServer(
        forest.ldaps_url, forest.ca_file, forest.service_dn, forest.service_password_file.read_text()
    )

    def find(account: str) -> UUID:
        with connect(server) as connection:
            return find_account(connection, account)

    return find
