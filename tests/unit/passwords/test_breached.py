"""Files of breached passwords: built from text in any order, resumed, damaged, looked up; and the range service."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyback.passwords import breachedbuild
from keyback.passwords._md4 import md4
from keyback.passwords.breached import BLOCK, BreachedDamaged, BreachedFile, Kind, LatestFile, digest_of
from keyback.passwords.breachedbuild import BuildRefused, build
from keyback.passwords.ranges import RangeService, RangeUnavailable

COUNT = 60_000


def sha1(text: str) -> bytes:
    return digest_of(text, Kind.SHA1)


def line(text: str, count: int = 1, kind: Kind = Kind.SHA1) -> str:
    return f"{digest_of(text, kind).hex().upper()}:{count}\n"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60,000 hashes in no order."""
    path = tmp_path_factory.mktemp("corpus") / "corpus.txt"
    numbers = list(range(COUNT))
    random.Random(3).shuffle(numbers)
    path.write_text("".join(line(f"word{number}", number % 10 + 1) for number in numbers))
    return path


@pytest.fixture(scope="module")
def built(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("built") / "breached.kbb"
    assert build([corpus], out, Kind.SHA1) == COUNT
    return out


def test_every_listed_hash_is_found_and_no_other(built: Path) -> None:
    breached = BreachedFile(built)
    assert len(breached) == COUNT
    assert all(breached.has(sha1(f"word{number}")) for number in range(COUNT))
    assert not any(breached.has(sha1(f"other{number}")) for number in range(COUNT))
    assert "word17" in breached
    assert "Word17" not in breached
    assert list(built.parent.iterdir()) == [built]  # nothing of the build is left behind


def test_what_lies_beyond_the_mapped_part_is_read(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keyback.passwords.breached._MOST_MAPPED", 0)
    breached = BreachedFile(built)
    assert sum(f"word{number}" in breached for number in range(COUNT - 100, COUNT + 100)) == 100


def test_rare_ones_can_be_left_out(corpus: Path, tmp_path: Path) -> None:
    assert build([corpus], tmp_path / "out", Kind.SHA1, min_count=6) == COUNT // 2
    breached = BreachedFile(tmp_path / "out")
    assert ["word5" in breached, "word4" in breached] == [True, False]


def test_per_prefix_files_and_doubles(tmp_path: Path) -> None:
    folder = tmp_path / "ranges"
    folder.mkdir()
    words = ["password", "letmein", "hunter2"]
    for word in words:
        digits = sha1(word).hex().upper()
        (folder / f"{digits[:5]}.txt").write_bytes(f"{digits[5:]}:3\r\n{digits[5:]}:3".encode())
    assert build([folder], tmp_path / "out", Kind.SHA1) == 3
    breached = BreachedFile(tmp_path / "out")
    assert all(word in breached for word in words)


def test_a_corpus_of_many_files_is_remembered_by_a_digest_and_not_by_their_names(tmp_path: Path) -> None:
    folder = tmp_path / "ranges"
    folder.mkdir()
    for number in range(300):
        (folder / f"{number:05X}.txt").write_text(f"{number:035X}:1\n")

    def die(what: str, done: int, total: int) -> None:
        if what == "sorting":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build([folder], tmp_path / "out", Kind.SHA1, progress=die)
    assert (tmp_path / "out.building" / "mark.json").stat().st_size < 4_000  # most of it are the partitions' sizes
    (folder / "00001.txt").write_text("0" * 35 + ":22\n")
    with pytest.raises(BuildRefused, match="other sources"):
        build([folder], tmp_path / "out", Kind.SHA1)


def test_ntlm(tmp_path: Path) -> None:
    (tmp_path / "ntlm.txt").write_text("8846F7EAEE8FB117AD06BDD830B7586C:9\n" + line("Sommer2026", kind=Kind.NTLM))
    build([tmp_path / "ntlm.txt"], tmp_path / "out", Kind.NTLM)
    breached = BreachedFile(tmp_path / "out")
    assert ["password" in breached, "Sommer2026" in breached, "sommer2026" in breached] == [True, True, False]


@pytest.mark.parametrize(
    ("message", "digest"),  # RFC 1320, A.5
    [
        ("", "31d6cfe0d16ae931b73c59d7e0c089c0"),
        ("abc", "a448017aaf21d8525fc10ae87aa6729d"),
        ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "043f8582f241db351ce627e153e7f0e4"),
        ("1234567890" * 8, "e33b4ddc9c38f2199c3e7b164fcc0536"),
    ],
)
def test_md4_is_that_of_its_document(message: str, digest: str) -> None:
    assert md4(message.encode()).hex() == digest


@pytest.mark.parametrize("stage", ["reading", "sorting"])
def test_an_interrupted_build_goes_on(
    corpus: Path, built: Path, tmp_path: Path, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breachedbuild, "_READ", 100_000)
    monkeypatch.setattr(breachedbuild, "_MARK_EVERY", 300_000)
    steps: list[int] = []

    def die(what: str, done: int, total: int) -> None:
        steps.append(done)
        if what == stage and done > total // 2:
            raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        build([corpus], out, Kind.SHA1, progress=die)
    assert not out.exists()
    again: list[tuple[str, int]] = []
    assert build([corpus], out, Kind.SHA1, progress=lambda what, done, _: again.append((what, done))) == COUNT
    assert out.read_bytes() == built.read_bytes()
    if stage == "reading":
        assert again[0][1] > corpus.stat().st_size // 3  # not from the beginning
    else:
        assert "reading" not in {what for what, _ in again}


def test_a_build_of_other_sources_is_not_gone_on_with(corpus: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out.building"
    folder.mkdir()
    mark = {"kind": "sha1", "min_count": 1, "sources": "of others", "total": 1}
    (folder / "mark.json").write_text(json.dumps(mark))
    with pytest.raises(BuildRefused, match="other sources"):
        build([corpus], tmp_path / "out", Kind.SHA1)


@pytest.mark.parametrize("text", ["hello\n", line("a") + "no hash\n", line("a", kind=Kind.NTLM), line("a") + "zz" * 20])
def test_what_is_no_corpus_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "source").write_text(text)
    with pytest.raises(BuildRefused, match=r"^[^\n]*HASH:COUNT[^\n]*$"):
        build([tmp_path / "source"], tmp_path / "out", Kind.SHA1)
    assert list(tmp_path.iterdir()) == [tmp_path / "source"]  # so that the next try, with a mended one, begins anew


def test_a_place_that_is_not_there_is_told_in_one_line(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(BuildRefused, match=r"^[^\n]*No such file[^\n]*$"):
        build([corpus], tmp_path / "nowhere" / "out", Kind.SHA1)


def test_an_empty_corpus_makes_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "source").touch()
    assert build([tmp_path / "source"], tmp_path / "out", Kind.SHA1) == 0
    assert "anything" not in BreachedFile(tmp_path / "out")


@pytest.mark.parametrize("damage", ["header", "cut", "longer", "index", "checksums", "empty", "text"])
def test_a_damaged_file_does_not_open(built: Path, tmp_path: Path, damage: str) -> None:
    content = bytearray(built.read_bytes())
    match damage:
        case "header":
            content[30] ^= 1
        case "cut":
            del content[-1]
        case "longer":
            content += b"\0"
        case "index":
            content[BLOCK + 5 * COUNT + 40] ^= 1
        case "checksums":
            content[-1] ^= 1
        case "empty":
            content.clear()
        case "text":
            content[:] = b"HASH:COUNT\n" * 1000
    path = tmp_path / "damaged"
    path.write_bytes(content)
    with pytest.raises(BreachedDamaged, match=r"^[^\n]*damaged[^\n]*$"):
        BreachedFile(path)


def test_a_damaged_block_is_noticed_when_it_is_touched(built: Path, tmp_path: Path) -> None:
    content = bytearray(built.read_bytes())
    content[BLOCK + 100] ^= 1
    (tmp_path / "damaged").write_bytes(content)
    breached = BreachedFile(tmp_path / "damaged")
    asked = [sha1(f"word{number}") for number in range(2_000)]
    first = [digest for digest in asked if digest[0] < 0x20]
    assert all(breached.has(digest) for digest in asked if digest[0] > 0x80)  # far from it
    with pytest.raises(BreachedDamaged, match="damaged at byte 65536"):
        for digest in first:
            breached.has(digest)


def one_of(folder: Path, word: str) -> Path:
    (folder / "source").write_text(line(word))
    build([folder / "source"], folder / "out", Kind.SHA1)
    return folder / "out"


def test_a_file_that_was_renamed_over_the_old_one_is_used_at_once(tmp_path: Path) -> None:
    latest = LatestFile(one_of(tmp_path, "first"))
    assert ["first" in latest, "second" in latest] == [True, False]
    one_of(tmp_path, "second")
    assert ["first" in latest, "second" in latest] == [False, True]


@pytest.mark.parametrize("how", ["cut", "gone", "text"])
def test_a_file_that_was_spoilt_in_use_is_told_and_a_good_one_mends_it(tmp_path: Path, how: str) -> None:
    path = one_of(tmp_path, "first")
    latest = LatestFile(path)
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(b"" if how == "cut" else b"HASH:COUNT\n")  # in its place, so that what is mapped is cut short
    for _ in range(2):
        with pytest.raises(BreachedDamaged, match=r"^[^\n]*out: [^\n]*$"):
            assert "first" in latest
    path.unlink(missing_ok=True)
    one_of(tmp_path, "second")
    assert "second" in latest


@given(st.text(max_size=50))
def test_any_text_can_be_looked_up(built: Path, text: str) -> None:
    assert text not in BreachedFile(built)


def test_the_range_service_learns_five_digits_only() -> None:
    asked: list[str] = []

    def ask(prefix: str) -> str:
        asked.append(prefix)
        return "0018A45C4D1DEF81644B54AB7F969B88D65:1\r\n1E4C9B93F3F0682250B6CF8331B7EE68FD8:9\r\n" + "F" * 35 + ":0"

    service = RangeService(ask, fail_open=False)
    assert "password" in service
    assert asked == ["5BAA6"]
    assert "something else" not in service
    assert "password" not in RangeService(ask, fail_open=False, min_count=10)


@pytest.mark.parametrize("answer", ["5BAA6:x", "x" * 2_000_000, None])
def test_without_an_answer_the_setting_decides(answer: str | None) -> None:
    def ask(_: str) -> str:
        if answer is None:
            raise TimeoutError
        return "1E4C9B93F3F0682250B6CF8331B7EE68FD8:x" if len(answer) < 100 else answer

    assert "password" not in RangeService(ask, fail_open=True)
    with pytest.raises(RangeUnavailable, match="cannot be looked up"):
        assert "password" in RangeService(ask, fail_open=False)
