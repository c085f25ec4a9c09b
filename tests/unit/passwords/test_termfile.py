"""Lists of banned terms as files: text, compiled, damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from keyback.passwords._termfile import TermsRefused, compile_terms
from keyback.passwords.banned import BannedWords
from keyback.passwords.terms import is_compiled, parse_terms, read_terms

TERMS = ["contoso", "P@ssw0rd", "müller"]


def test_a_compiled_file_finds_what_the_terms_say(tmp_path: Path) -> None:
    path = tmp_path / "list.banned"
    path.write_bytes(compile_terms(TERMS, title="Ours"))
    assert is_compiled(path)
    banned = BannedWords.open(path)
    assert (banned.count, banned.title, banned.extended) == (3, "Ours", False)
    assert [banned.examine(word).score for word in ("Contoso", "passw0rd", "MÜLLER", "xyz")] == [1, 1, 1, 3]


def test_the_same_terms_make_the_same_file() -> None:
    assert compile_terms(TERMS, title="") == compile_terms([*TERMS[::-1], "CONTOSO"], title="")


def test_an_empty_list_bans_nothing_but_what_is_short() -> None:
    assert BannedWords.of([]).examine("whatever").accepted
    assert BannedWords.of([]).examine("what").score == 4


def test_comments_and_empty_lines_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "terms.txt"
    path.write_bytes("\ufeff# Ours, 2026\r\n\r\ncontoso\r\n#\n#hash\n  blank \n".encode())
    assert read_terms(path) == ["contoso", "#hash", "blank"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("contoso\nabc", "line 2: a term has 4 to 16"),
        ("a" * 17, "line 1: a term has 4 to 16"),
        ("co\x02ntoso", "line 1: a term holds no control"),
        ("ﷺ" * 3, "line 1: a term has 4 to 16"),  # each of them is 18 letters when written out
    ],
)
def test_what_is_no_term_is_named_by_its_line(text: str, problem: str) -> None:
    with pytest.raises(TermsRefused, match=problem):
        parse_terms(text)


def test_too_many_terms_are_refused() -> None:
    with pytest.raises(TermsRefused, match="more than 2 terms"):
        compile_terms(TERMS, title="", most=2)


def test_files_that_cannot_be_read_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "latin1").write_bytes(b"m\xfcller")
    for name, problem in (("missing", "No such file"), ("latin1", "not UTF-8"), (".", "Is a directory")):
        with pytest.raises(TermsRefused, match=problem):
            read_terms(tmp_path / name)


@pytest.mark.parametrize("place", [3, 40, 400, 600, -1])
@pytest.mark.parametrize("how", ["flip", "cut"])
def test_a_damaged_file_is_refused_and_never_believed(tmp_path: Path, place: int, how: str) -> None:
    good = bytearray(compile_terms([f"term{i}" for i in range(50)], title=""))
    if how == "cut":
        del good[place:]
    else:
        good[place] ^= 0xFF
    path = tmp_path / "list.banned"
    path.write_bytes(good)
    try:
        banned = BannedWords.open(path)
    except TermsRefused as error:
        assert "\n" not in str(error)
    else:  # what was hit is the padding between the parts
        assert banned.examine("term7").score == 1


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(TermsRefused, match="not a compiled list"):
        BannedWords.open(tmp_path / "empty")
