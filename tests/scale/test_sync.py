"""Whole directories: 20,000 real accounts, and a million generated ones through the agents' door into PostgreSQL.

KEYBACK_REAL=20000            accounts in the forest
KEYBACK_GENERATED=1000000     people without one
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

import lab
from lab import api
from lab.stack import ApartStack
from lab.testing import forest
from tests.support.smtp import Sink
from tests.support.whole import mail

__all__ = ["forest", "mail"]

pytestmark = pytest.mark.scale

REAL = int(os.environ.get("KEYBACK_REAL", "20000"))
GENERATED = int(os.environ.get("KEYBACK_GENERATED", "1000000"))
SCRIPT = ("-m", "tests.support.generated_people")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def stack(tmp_path: Path, forest: lab.Forest, mail: Sink, postgres: str) -> Iterator[ApartStack]:
    with psycopg.connect(postgres, autocommit=True) as server:
        server.execute("DROP DATABASE IF EXISTS sync WITH (FORCE)")
        server.execute("CREATE DATABASE sync")
    database = postgres.removesuffix("/postgres") + "/sync"
    stack = ApartStack(tmp_path, mail=(mail.host, mail.port), forests=[forest], database=database)
    stack.create()
    stack.start()
    yield stack
    stack.stop()


@pytest.fixture
def count(stack: ApartStack) -> Callable[[str], int]:
    """count("people_person"): rows."""

    def ask(table: str, where: str = "true") -> int:
        with psycopg.connect(str(stack.database)) as database:
            row = database.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone()  # noqa: S608 — a test's own
        assert row is not None
        return int(row[0])

    return ask


def test_every_account_of_a_large_directory_arrives_and_stays(
    stack: ApartStack, forest: lab.Forest, count: Callable[..., int]
) -> None:
    agent = stack.onboard("agent")
    api.add_crowd(forest, REAL)
    config = str(agent.config)
    stack.keyback("agent", "sync", "run", "--config", config)
    assert count("people_person", "account_name LIKE 'crowd%' AND removed_at IS NULL") == REAL
    assert count("people_contactdatum", "kind = 'mobile'") >= REAL
    assert ", 0 added, 0 changed, 0 removed" in stack.keyback("agent", "sync", "run", "--config", config)


def test_a_million_people_pass_the_agents_door(stack: ApartStack, count: Callable[..., int]) -> None:
    agent = stack.onboard("agent")
    some = min(100_000, GENERATED)
    small = generate(agent.config, some)
    assert (small["people"], small["problem"]) == (some, "")
    assert small["megabytes"] < 200
    large = generate(agent.config, GENERATED)
    assert (large["people"], large["problem"]) == (GENERATED, "")
    assert count("people_person", "removed_at IS NULL") == GENERATED
    fewer = generate(agent.config, GENERATED - GENERATED // 100)
    assert fewer["problem"] == ""
    assert count("people_person", "removed_at IS NULL") == GENERATED - GENERATED // 100


def generate(config: Path, people: int) -> dict[str, Any]:
    """What the script told, which pytest shows where something fails."""
    command = [sys.executable, *SCRIPT, config, str(people)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    said: dict[str, Any] = json.loads(done.stdout)
    return said
