"""What is this machine itself, and what only calls itself so."""

import pytest

from keyback.loopback import is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.77.0.9", "localhost", "::1", "[::1]"])
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["", "localhost.example.com", "127.example.com", "127.0.0.1.example.com", "::", "10.0.0.1", "[::2]"],
)
def test_another_one(host: str) -> None:
    assert not is_loopback(host)
