"""``keyback password``: try a password against the rules, make one, compile lists. A password is never an argument,
which every user of the machine could read: it is read from standard input."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from keyback.passwords import BannedWords, Judgement, Profile
    from keyback.passwords.breached import BreachedFile

__all__ = ["password"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def password() -> None:
    """Try passwords against the rules, make them, compile lists."""


@password.command()
@click.option("--policy", "policy_file", type=_FILE, help="Rules, as TOML; without it only words, names and breaches.")
@click.option("--profile", "profile_name", metavar="NAME", help="directory, nist, typical or careful.")
@click.option("--banned", "banned_file", type=_FILE, help="Only these terms, one a line or compiled.")
@click.option("--strict", is_flag=True, help="A term counts once; parts of the password may be like a term.")
@click.option("--extended", is_flag=True, help="Take 3, 4, 5, 7, ! and | for letters too.")
@click.option("--name", "names", multiple=True, help="A name of the person or the organization; repeat for each.")
@click.option("--account", default="", help="sAMAccountName.")
@click.option("--display-name", default="", help="displayName.")
@click.option("--breached", "breached_file", type=_FILE, help="A file made by: keyback password breached build")
@click.option("--many", is_flag=True, help="One password a line, until the end of the input.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each password.")
def check(
    *,
    policy_file: Path | None,
    profile_name: str | None,
    banned_file: Path | None,
    strict: bool,
    extended: bool,
    names: tuple[str, ...],
    account: str,
    display_name: str,
    breached_file: Path | None,
    many: bool,
    as_json: bool,
) -> int:
    """Say whether the password on standard input would be accepted, and why not. Nothing is kept or logged.

    Exit status without --json: 0 when all were accepted, 1 when one was not.
    """
    from keyback.passwords import PersonNames, Rules, judge

    if policy_file and profile_name:
        raise click.UsageError("give --policy or --profile, not both")
    rules = Rules(
        profile=_profile(policy_file, profile_name),
        banned=_banned(banned_file, extended=extended),
        strict=strict,
        breached=_breached(breached_file),
        names=names,
    )
    person = PersonNames(account, display_name)
    all_accepted = True
    for text in _passwords(many=many):
        judgement = judge(text, person, rules)
        all_accepted &= judgement.accepted
        lines = [json.dumps(_plain(judgement))] if as_json else _told(judgement)
        # One write a password, passed on at once: whoever feeds lines one by one waits for each answer.
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
    return 0 if all_accepted or as_json else 1


def _passwords(*, many: bool) -> Iterator[str]:
    # Bytes that are no UTF-8 become halves of surrogate pairs, which the rules then refuse.
    if not many:
        yield sys.stdin.buffer.readline().decode("utf-8", "surrogateescape").rstrip("\r\n")
        return
    while line := sys.stdin.buffer.readline():
        yield line.decode("utf-8", "surrogateescape").rstrip("\r\n")


def _profile(policy_file: Path | None, name: str | None) -> Profile:
    from keyback.passwords.profiles import PROFILES, load_profile

    if policy_file:
        return load_profile(policy_file)
    if name and name not in PROFILES:
        raise click.UsageError(f"{name}: no such profile; there are: {', '.join(PROFILES)}")
    return PROFILES[name or "none"]


def _banned(path: Path | None, *, extended: bool) -> BannedWords:
    from keyback.passwords.banned import BannedWords, builtin, builtin_terms
    from keyback.passwords.terms import is_compiled, read_terms

    if path is None:
        return BannedWords.of(builtin_terms(), extended=True) if extended else builtin()
    return BannedWords.open(path) if is_compiled(path) else BannedWords.of(read_terms(path), extended=extended)


def _breached(path: Path | None) -> BreachedFile | None:
    if path is None:
        return None
    from keyback.passwords.breached import BreachedFile

    return BreachedFile(path)


def _plain(judgement: Judgement) -> dict[str, object]:
    verdict = judgement.verdict
    return {
        "accepted": judgement.accepted,
        "normalised": "" if verdict is None else verdict.normalised,
        "score": 0 if verdict is None else verdict.score,
        "matches": [] if verdict is None else [match._asdict() for match in verdict.all_matches()],
        "findings": [finding.to_dict() for finding in judgement.findings],
    }


def _told(judgement: Judgement) -> list[str]:
    lines = ["Accepted." if judgement.accepted else "Not accepted."]
    lines += [f"  {finding.sentence} ({finding.code})" for finding in judgement.findings]
    if judgement.verdict:
        lines += [f"    {step}" for step in judgement.verdict.explain()]
    return ["".join(c if c.isprintable() else "?" for c in line) for line in lines]
