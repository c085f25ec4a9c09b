"""What of a person is pushed, and how a run is cut into pushes."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from keyback.agent.sync import _batches, record
from keyback.directory import DirectoryPerson

GUID = UUID("0b5d7a0e-5f1c-4d0a-9a35-0f6b1c2d3e4f")


def person(**changed: object) -> DirectoryPerson:
    values: dict[str, object] = {
        "guid": GUID,
        "sid": "S-1-5-21-1-2-3-1104",
        "dn": "CN=Ada,OU=People",
        "upn": "Ada@corp.example.test",
        "sam": "Ada",
        "netbios": "CORP",
        "user_id": "Ada@corp.example.test",
        "spellings": ("corp\\ada", "ada@mail.example.test"),
        "mails": ("ada@mail.example.test",),
        "other_mailbox": ("ada@home.example", "ada@mail.example.test"),
        "display_name": "Ada Lovelace",
        "given_name": "Ada",
        "surname": "Lovelace",
        "telephone_number": "+44 20 1",
        "mobile": "+44 7 2",
        "enabled": True,
        "member_of": (),
        "anchor": "AAAA",
    }
    return DirectoryPerson(**(values | changed))  # type: ignore[arg-type]  # a table of mixed values


def test_every_spelling_and_each_mail_once() -> None:
    sent = record(person())
    assert sent.object_guid == GUID
    assert sent.spellings == ["corp\\ada", "ada@mail.example.test", "ada"]
    assert sent.mail == ["ada@mail.example.test", "ada@home.example"]
    assert (sent.mobile, sent.office_phone) == ("+44 7 2", "+44 20 1")


@pytest.mark.parametrize(
    "changed",
    [
        {"mails": ("x" * 300,)},
        {"mails": tuple(f"m{n}@example.test" for n in range(50))},
        {"spellings": tuple(f"s{n}" for n in range(50))},
        {"display_name": "x" * 1000, "given_name": "x" * 1000},
        {"mobile": "1" * 1000},
        {"user_id": "x" * 1000},
    ],
)
def test_whatever_a_directory_holds_makes_a_record(changed: dict[str, object]) -> None:
    record(person(**changed))


def test_an_address_that_is_too_long_is_left_out_and_not_cut() -> None:
    assert record(person(mails=("x" * 300 + "@example.test",), other_mailbox=())).mail == []


@pytest.mark.parametrize(("count", "sizes"), [(0, [0]), (1, [1]), (5, [5]), (6, [5, 1]), (10, [5, 5]), (11, [5, 5, 1])])
def test_batches_are_full_and_only_the_last_one_says_so(count: int, sizes: list[int]) -> None:
    found = list(_batches([uuid4() for _ in range(count)], 5))
    assert [len(batch) for batch, _ in found] == sizes
    assert [last for _, last in found] == [False] * (len(sizes) - 1) + [True]
