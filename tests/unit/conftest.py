"""Unit tests are about pure code: a test that opens a socket fails."""

import pytest
from pytest_socket import disable_socket


@pytest.fixture(autouse=True)
def no_sockets(request: pytest.FixtureRequest) -> None:
    disable_socket(allow_unix_socket=True)  # event loops wake themselves through a socket pair
