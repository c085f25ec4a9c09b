"""What every test may ask for: a PostgreSQL cluster, a mail server, and Django on the database of this run.

`pytest --database=postgres` (or KEYBACK_TEST_DATABASE=postgres) runs the portal's tests on PostgreSQL;
the default is SQLite.
"""

import os
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from tests.support import orphans
from tests.support import postgres as postgres_support
from tests.support import smtp as smtp_support


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database",
        choices=["sqlite", "postgres"],
        default=os.environ.get("KEYBACK_TEST_DATABASE", "sqlite"),
        help="the database of tests that use Django's",
    )
    parser.addoption(
        "--only-with-database",
        action="store_true",
        help="leave out what uses no database of Django's: in a second run, on another one, it would be the same again",
    )


def pytest_configure() -> None:
    orphans.end_with_this_process()


def pytest_report_header(config: pytest.Config) -> str:
    return f"database: {config.getoption('--database')}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--only-with-database"):
        return
    without = [item for item in items if not _uses_database(item)]
    items[:] = [item for item in items if _uses_database(item)]
    config.hook.pytest_deselected(items=without)


def _uses_database(item: pytest.Item) -> bool:
    """By itself or by way of its fixtures."""
    fixtures = {"db", "transactional_db", "django_db_setup"} & set(getattr(item, "fixturenames", ()))
    return bool(fixtures) or item.get_closest_marker("django_db") is not None


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
        # Like the cluster of tests/support/postgres.py it need not survive a power cut.
        default["OPTIONS"] |= {"init_command": "PRAGMA synchronous=OFF;"}
        return
    from keyback.portal.settings import _database

    default.clear()
    default.update(_database(request.getfixturevalue("postgres")))
    connections.configure_settings({"default": default})  # fills in, in place, what Django reads later
    default["TEST"]["NAME"] = "test_keyback"
    connections["default"].close()
    del connections["default"]  # it may have been made for the other engine while Django started
    from django.db.backends.postgresql.operations import DatabaseOperations

    setattr(DatabaseOperations, "sql_flush", _delete)  # noqa: B010 — mypy knows that methods are not for assigning


def _delete(operations: Any, style: object, tables: Iterable[str], **options: object) -> list[str]:
    """What empties the tables after a test that commits. Django would TRUNCATE them, which makes new files for each
    table and index: with a few rows in them that takes 45 ms longer. Foreign keys are checked at the commit."""
    return [f"DELETE FROM {operations.quote_name(table)}" for table in tables]  # noqa: S608 — names of our tables
