"""`keyback password`: passwords come in on standard input and leave in nothing but the answer."""

from __future__ import annotations

import csv
import json
import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from keyback.passwords.breached import Kind, digest_of

VECTORS = list(csv.DictReader((Path(__file__).parent / "banned-password-vectors.csv").open()))


def keyback(*arguments: object, given: bytes | str = b"") -> subprocess.CompletedProcess[str]:
    raw = given.encode() if isinstance(given, str) else given
    command = [sys.executable, "-m", "keyback.cli.main", "password", *map(str, arguments)]
    done = subprocess.run(command, input=raw, capture_output=True, timeout=60, check=False)
    return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())


def check(*arguments: object, given: bytes | str) -> list[dict]:  # type: ignore[type-arg]
    done = keyback("check", "--json", *arguments, given=given)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_published_vector(tmp_path: Path) -> None:
    for number, vector in enumerate(VECTORS):
        banned = tmp_path / f"{number}.txt"
        banned.write_text(vector["banned_terms"].replace(";", "\n"))
        names = ["--name", "Poll"] if vector["person"] else []
        [found] = check("--banned", banned, *names, given=vector["password"] + "\n")
        assert found["accepted"] is (vector["expected"] == "accept"), vector["password"]


def test_the_answer_has_the_documented_form(tmp_path: Path) -> None:
    (tmp_path / "banned").write_text("contoso\nblank\n")
    assert check("--banned", tmp_path / "banned", given="C0ntos0Blank12") == [
        {
            "accepted": False,
            "normalised": "contosoblankl2",
            "score": 4,
            "matches": [
                {"term": "contoso", "start": 0, "end": 7, "distance": 0},
                {"term": "blank", "start": 7, "end": 12, "distance": 0},
            ],
            "findings": [{"code": "banned", "params": {}, "sentence": "This password is too easy to guess."}],
        }
    ]


def test_many_one_a_line_whatever_they_hold() -> None:
    found = check(
        "--many", given=b"Password1\n\nKd8%vw-Qz2#m\r\n\xff\xfe\x00abcdefg\n" + b"a" * 10_000 + b"\nlast-one-Qz2#"
    )
    assert [one["accepted"] for one in found] == [False, False, True, False, False, True]
    assert [[finding["code"] for finding in one["findings"]] for one in found][3:5] == [
        ["characters", "banned"],
        ["too_long"],
    ]


def test_the_builtin_list_unless_another_is_named(tmp_path: Path) -> None:
    (tmp_path / "banned").write_text("contoso\n")
    assert not check(given="Password1")[0]["accepted"]
    assert check("--banned", tmp_path / "banned", given="Password1")[0]["accepted"]


def test_a_compiled_list_does_the_same(tmp_path: Path) -> None:
    (tmp_path / "terms").write_text("contoso\n")
    assert keyback("banned", "build", tmp_path / "terms", tmp_path / "list.banned").returncode == 0
    assert check("--banned", tmp_path / "list.banned", given="c0ntoso1")[0]["score"] == 2


def test_a_compiled_list_says_when_it_does_not_fit(tmp_path: Path) -> None:
    terms, out = tmp_path / "terms", tmp_path / "list.banned"
    terms.write_text("contoso\nC0NTOSO\n")
    assert ": 1 terms, " in keyback("banned", "build", terms, out).stdout
    assert "without --extended" in keyback("check", "--banned", out, "--extended", given="x").stderr
    assert keyback("banned", "build", terms, out, "--extended").returncode == 0
    assert check("--banned", out, "--extended", given="con70so1")[0]["score"] == 2
    out.write_bytes(b"KEYBACK BANNED 1\n{}\n")
    done = keyback("check", "--banned", out, given="x")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "another version" in done.stderr


def test_a_policy_adds_its_rules(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text('profile = "typical"\n')
    [found] = check("--policy", tmp_path / "policy.toml", given="kqvzwxpmtrnbd-seventeen")
    assert [finding["code"] for finding in found["findings"]] == ["too_long", "upper", "digit"]
    [found] = check("--profile", "directory", "--account", "ada", "--display-name", "Ada Lovelace", given="Ada-9876")
    assert {"account_name", "display_name"} <= {finding["code"] for finding in found["findings"]}


def test_breached_ones_are_refused(tmp_path: Path) -> None:
    (tmp_path / "corpus").write_text(digest_of("Kd8%vw-Qz2#m", Kind.SHA1).hex().upper() + ":3\n")
    done = keyback("breached", "build", "--format", "sha1", tmp_path / "corpus", tmp_path / "out")
    assert done.stdout.startswith(f"{tmp_path / 'out'}: 1 hashes")
    found = check("--many", "--breached", tmp_path / "out", given="Kd8%vw-Qz2#m\nKd8%vw-Qz2#n\n")
    assert [[finding["code"] for finding in one["findings"]] for one in found] == [["breached"], []]


def test_in_words_it_explains_and_the_status_tells() -> None:
    refused, accepted = keyback("check", given="Password1"), keyback("check", given="Kd8%vw-Qz2#m")
    assert (refused.returncode, accepted.returncode) == (1, 0)
    assert "This password is too easy to guess. (banned)" in refused.stdout
    assert "Normalised: passwordl" in refused.stdout
    assert accepted.stdout.startswith("Accepted.")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["check", "Password1"], "Got unexpected extra argument"),  # never as an argument
        (["check", "--banned", "/nowhere"], "does not exist"),
        (["check", "--profile", "strong"], "no such profile"),
        (["check", "--profile", ""], "no such profile"),
        (["breached", "build", "--format", "sha1", "/dev/null", "/nowhere/out"], "/dev/null: there is no such file"),
        (["banned", "build", __file__, "/nowhere/out"], "characters"),
        (["generate", "--profile", "typical", "--length", "20"], "too_long"),
        (["breached", "build", "--format", "sha1", "out"], "at least one SOURCE"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(arguments: list[str], problem: str) -> None:
    done = keyback(*arguments)
    assert done.returncode == 2
    assert problem in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_line_without_an_end_is_not_kept() -> None:
    found = check("--many", given=b"x" * 3_000_000 + b"\nPassword1\n")
    assert [[finding["code"] for finding in one["findings"]] for one in found] == [["too_long"], ["banned"]]


def test_closed_pipes_are_no_accident(tmp_path: Path) -> None:
    (tmp_path / "banned").write_text("contoso\n")
    command = f"{sys.executable} -m keyback.cli.main password check --banned {tmp_path / 'banned'}"

    def shell(line: str) -> tuple[int, str]:
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stderr

    status, told = shell(f"{command} <&-")
    assert status == 2
    assert told.startswith("keyback: standard input is closed")
    assert shell(f"echo contoso | {command} >&-") == (1, "")
    assert shell(f"yes | head -20000 | {command} --many | head -1") == (0, "")


def test_at_a_terminal_it_is_asked_for_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "banned").write_text("contoso\n")
    command = [sys.executable, "-m", "keyback.cli.main", "password", "check", "--banned", str(tmp_path / "banned")]
    terminal, theirs = pty.openpty()
    process = subprocess.Popen(["setsid", "--ctty", *command], stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    while not shown.endswith(b"Password: "):
        shown += os.read(terminal, 1000)
    os.write(terminal, b"Contoso1\n")
    with suppress(OSError):  # how a terminal says that nobody is there any more
        while more := os.read(terminal, 1000):
            shown += more
    os.close(terminal)
    assert process.wait(60) == 1
    assert b"too easy to guess" in shown
    assert b"Contoso1" not in shown


def test_generate_makes_what_check_accepts() -> None:
    made = keyback("generate", "--profile", "typical", "--count", "5", "--length", "12")
    assert all(one["accepted"] for one in check("--many", "--profile", "typical", given=made.stdout))
    phrase = json.loads(keyback("generate", "--words", "6", "--json").stdout)
    assert phrase["entropy_bits"] > 70


def test_it_loads_neither_django_nor_zxcvbn() -> None:
    code = "import sys, keyback.cli.password, keyback.passwords; print({'django', 'zxcvbn', 'ldap'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
