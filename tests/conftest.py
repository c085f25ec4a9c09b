"""What every test may ask for: a PostgreSQL cluster, a mail server, and Django on the database of this run.

`pytest --database=postgres` (or KEYBACK_TEST_DATABASE=postgres) runs the portal's tests on PostgreSQL;
the default is SQLite.
"""

import os
from collections.abc import Iterator

import pytest

from tests.support import postgres as postgres_support
from tests.support import smtp as smtp_support


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database",
        choices=["sqlite", "postgres"],
        default=os.environ.get("KEYBACK_TEST_DATABASE", "sqlite"),
        help="the database of tests that use Django's",
    )


def pytest_report_header(config: pytest.Config) -> str:
    return f"database: {config.getoption('--database')}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a throw-away PostgreSQL cluster of this test process."""
    with postgres_support.cluster() as url:
        yield url


@pytest.fixture
def smtp() -> Iterator[smtp_support.Sink]:
    """A mail server on loopback that keeps what it is given."""
    with smtp_support.sink() as sink:
        yield sink


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    django_db_modify_db_settings_parallel_suffix: None,
) -> None:
    """Point Django at the database of this run before pytest-django creates it (its documented hook)."""
    from django.db import connections

    default = connections.settings["default"]
    if request.config.getoption("--database") == "sqlite":
        # A file, as in production: the shared in-memory database has other locking rules.
        default["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")
        return
    from keyback.portal.settings import _database

    default.clear()
    default.update(_database(request.getfixturevalue("postgres")))
    connections.configure_settings({"default": default})  # fills in, in place, what Django reads later
    default["TEST"]["NAME"] = "test_keyback"
    connections["default"].close()
    del connections["default"]  # it may have been made for the other engine while Django started
