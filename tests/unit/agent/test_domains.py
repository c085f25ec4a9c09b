"""In which domains user IDs end: told as the file has it, and as it was found once everybody was read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from keyback.agent.config import ForestConfig
from keyback.agent.domains import MOST, Domains, domains_told
from keyback.agent.journal import Journal
from keyback.protocol.messages import PersonRecord

FILE = ["corp.example.test", "mail.example.test"]
CONFIG = ForestConfig.model_validate(
    {
        "name": "corp.example.test",
        "domains": FILE,
        "ca_file": "ca.pem",
        "bind_dn": "CN=svc",
        "password_file": "password",
        "base_dns": ["DC=example"],
    }
)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.sqlite")) as journal:
        yield journal


def person(user_id: str, *spellings: str) -> PersonRecord:
    name = user_id.partition("@")[0]
    return PersonRecord(
        object_guid=uuid4(), anchor="AAAA", user_id=user_id, account_name=name, spellings=list(spellings)
    )


def run(journal: Journal, *people: PersonRecord, everybody: bool) -> list[str]:
    found = Domains()
    found.note(people)
    found.keep(journal, CONFIG, everybody=everybody)
    return domains_told(journal, CONFIG)


def test_until_everybody_was_read_the_file_is_told(journal: Journal) -> None:
    assert domains_told(journal, CONFIG) == FILE
    assert run(journal, everybody=True) == FILE  # nobody is there


def test_what_was_found_takes_its_place(journal: Journal) -> None:
    assert run(journal, person("Ada@New.example.test"), person("ben"), everybody=True) == ["new.example.test"]
    assert run(journal, person("ada@corp.example.test"), everybody=True) == ["corp.example.test"]


def test_a_change_only_adds(journal: Journal) -> None:
    run(journal, person("ada@corp.example.test"), everybody=True)
    assert run(journal, person("b@new.example.test"), everybody=False) == ["corp.example.test", "new.example.test"]


def test_of_other_spellings_only_what_the_file_names_counts(journal: Journal) -> None:
    ada = person("ada@corp.example.test", "corp\\ada", "ada@mail.example.test", "ada@home.test")
    assert run(journal, ada, everybody=True) == FILE


def test_no_more_than_the_protocol_carries(journal: Journal) -> None:
    many = [person(f"a@d{number}.test") for number in range(2 * MOST)]
    assert len(run(journal, *many, everybody=True)) == MOST


def test_it_is_remembered(journal: Journal, tmp_path: Path) -> None:
    run(journal, person("ada@new.example.test"), everybody=True)
    with closing(Journal(tmp_path / "journal.sqlite")) as after_a_restart:
        assert domains_told(after_a_restart, CONFIG) == ["new.example.test"]
