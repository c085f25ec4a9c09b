"""The compiled list of an organization is one file in the state directory, which all processes map."""

from __future__ import annotations

import logging
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from django.conf import settings

from keyback.passwords._termfile import compile_terms
from keyback.portal.organizations import banned_files
from keyback.protocol.messages import BannedTerms

PROCESS = """
import sys
import django
django.setup()
from keyback.portal.organizations import banned_files
from keyback.protocol.messages import BannedTerms
banned = banned_files.mapped(BannedTerms.model_validate_json(sys.argv[1]))
assert banned.decide("Zyxopolis-2").banned
print([line.split()[4] for line in open("/proc/self/maps") if line.rstrip().endswith(".banned") and "-words/" in line])
"""


@pytest.fixture
def terms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BannedTerms:
    monkeypatch.setattr(banned_files, "folder", lambda: tmp_path / "banned-words")
    # Every compilation of the real one takes a second.
    monkeypatch.setattr("keyback.passwords.terms.builtin_terms", lambda: ["password", "summer"])
    banned_files._say_once.cache_clear()
    return BannedTerms(organization_id=uuid.uuid4(), version=7, terms="zyxopolis")


def files() -> list[Path]:
    return sorted(banned_files.folder().glob("*.banned"))


def test_the_file_is_private_and_holds_the_own_and_the_builtin_terms(terms: BannedTerms) -> None:
    banned = banned_files.mapped(terms)
    assert banned.decide("Zyxopolis-2").banned
    assert banned.decide("Passw0rd!").banned
    assert not banned.decide("Zyxopolis-2-k").banned
    assert [file.stat().st_mode & 0o777 for file in (banned_files.folder(), *files())] == [0o700, 0o600]
    assert {file.name for file in banned_files.folder().iterdir()} == {files()[0].name, "lock"}


def test_processes_that_begin_at_once_map_the_same_file(terms: BannedTerms) -> None:
    settings.CONFIG.state_dir.joinpath("banned-words").mkdir(mode=0o700, exist_ok=True)
    begun = [
        subprocess.Popen([sys.executable, "-c", PROCESS, terms.to_bytes().decode()], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    inodes = [process.communicate(timeout=60)[0] for process in begun]
    assert [process.returncode for process in begun] == [0, 0]
    assert inodes[0] == inodes[1] != "[]\n"


def test_a_replaced_list_has_a_file_of_its_own_and_the_old_one_goes(terms: BannedTerms) -> None:
    old = banned_files.mapped(terms)
    [before] = files()
    other = banned_files.mapped(terms.model_copy(update={"organization_id": uuid.uuid4()}))
    new = banned_files.mapped(terms.model_copy(update={"version": 8, "terms": "vexillum"}))
    assert before not in files()
    assert len(files()) == 2  # the other organization's stays
    assert [one.decide("Vexillum-2").banned for one in (old, other, new)] == [False, False, True]
    assert old.decide("Zyxopolis-2").banned  # still mapped

    banned_files.mapped(terms)  # by a process that had read the row before
    assert len(files()) == 3


@pytest.mark.parametrize("damage", ["empty", "cut", "changed", "of somebody else", "of another organization"])
def test_a_file_that_is_not_what_it_should_be_is_made_anew(terms: BannedTerms, damage: str) -> None:
    banned_files.mapped(terms)
    [file] = files()
    good = file.read_bytes()
    if damage == "of another organization":
        banned_files.mapped(terms.model_copy(update={"organization_id": uuid.uuid4()}))
        bad = next(one for one in files() if one != file).read_bytes()
    else:
        bad = {
            "empty": b"",
            "cut": good[:-1],
            "changed": good[:900] + bytes([good[900] ^ 1]) + good[901:],
            "of somebody else": compile_terms(["vexillum"], title="7") + good[-32:],
        }[damage]
    file.unlink()
    file.write_bytes(bad)
    assert banned_files.mapped(terms).decide("Zyxopolis-2").banned
    assert file.read_bytes() == good
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_a_killed_process_left_is_in_nobodys_way(terms: BannedTerms) -> None:
    banned_files.mapped(terms)
    [file] = files()
    file.rename(file.with_suffix(".new"))
    banned_files.mapped(terms)
    assert files() == [file]
    assert not file.with_suffix(".new").exists()


def test_without_the_right_to_write_each_process_keeps_its_own_and_says_so_once(
    terms: BannedTerms, caplog: pytest.LogCaptureFixture
) -> None:
    banned_files.folder().write_text("no directory")  # root may write everywhere: this stops it too
    with caplog.at_level(logging.WARNING, banned_files.__name__):
        for _ in range(2):
            assert banned_files.mapped(terms).decide("Zyxopolis-2").banned
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        f"compiled banned words are kept in the memory of each process: {banned_files.folder()}: File exists"
    ]
