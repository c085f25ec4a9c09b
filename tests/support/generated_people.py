"""An agent whose directory is made up: ``python -m tests.support.generated_people AGENT.TOML COUNT`` brings so many
people through the agents' door, by the agent's own code, and prints seconds and peak memory as JSON.
"""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from keyback.agent import sync
from keyback.agent.build import parts
from keyback.agent.config import load
from keyback.directory import DirectoryPerson
from tests.support.memory import peak_kb


def generated(count: int, domain: str) -> Iterator[DirectoryPerson]:
    for number in range(count):
        # As a directory hands them out: in no order of the objectGUID.
        guid = UUID(int=(number * 0x9E3779B97F4A7C15F39CC0605CEDC835) % 2**128)
        account = f"made{number:07d}"
        yield DirectoryPerson(
            guid=guid,
            dn=f"CN={account}",
            upn=f"{account}@{domain}",
            sam=account,
            user_id=f"{account}@{domain}",
            spellings=(f"made\\{account}",),
            mails=(f"{account}@example.test",),
            mobile=f"+44 7700 {number % 1_000_000:06d}",
            office_phone="",
            display_name=f"Made Up {number}",
            given_name="Made",
            surname=f"Up {number}",
            enabled=True,
            anchor=base64.b64encode(guid.bytes_le).decode(),
        )


class _Marks:
    def __init__(self, *_: object) -> None:
        pass

    def now(self, _: object) -> str:
        return ""

    def keep(self, _: str) -> None:
        pass


def main(config_file: str, count: int) -> None:
    config = load(Path(config_file))
    settings = config.forest[0]

    @contextmanager
    def connection() -> Iterator[Any]:
        yield SimpleNamespace(root=SimpleNamespace(default_naming_context=""), give_up=lambda: None)

    made_up: Any = sync
    made_up.people = lambda *_, **__: generated(count, settings.domains[0])
    made_up.groups = lambda *_, **__: ()
    made_up.read_domain = lambda _: None
    made_up.Marks = _Marks
    forest: Any = SimpleNamespace(name=settings.name, config=settings, nearest=connection)
    with parts(config) as made:
        forest_id = made.identity.forest_id(settings.name)
        assert forest_id is not None
        begun = time.monotonic()
        run = made.synchronisation().run(forest, forest_id)
        seconds = time.monotonic() - begun
    told = {"people": run.people, "problem": run.problem, "seconds": seconds, "megabytes": peak_kb() // 1024}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
