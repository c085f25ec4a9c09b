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

_LONGEST_LINE = 1 << 20  # bytes
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
    """Say whether the password on standard input would be accepted, and why not. Nothing is kept or logged. At a
    terminal it is asked for, and not shown.

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
        judgement = judge(text, person, rules, explain=True)
        all_accepted &= judgement.accepted
        lines = [json.dumps(_plain(judgement))] if as_json else _told(judgement)
        # Passed on at once: whoever feeds lines one by one waits for each answer.
        click.echo("\n".join(lines))
    return 0 if all_accepted or as_json else 1


def _passwords(*, many: bool) -> Iterator[str]:
    if sys.stdin is None:
        raise click.UsageError("standard input is closed; the password is read from it")
    if sys.stdin.isatty() and not many:
        yield click.prompt("Password", hide_input=True, default="", show_default=False, err=True)
        return
    while True:
        line = sys.stdin.buffer.readline(_LONGEST_LINE)
        if not line and many:
            return
        # Bytes that are no UTF-8 become halves of surrogate pairs, which the rules then refuse.
        yield line.decode("utf-8", "surrogateescape").rstrip("\r\n")
        if not many:
            return
        while line and not line.endswith(b"\n"):  # what is too long anyway is passed over, and not kept
            line = sys.stdin.buffer.readline(_LONGEST_LINE)


def _profile(policy_file: Path | None, name: str | None) -> Profile:
    from keyback.passwords.profiles import PROFILES, load_profile

    if policy_file:
        return load_profile(policy_file)
    if name is not None and name not in PROFILES:
        raise click.UsageError(f"{name}: no such profile; there are: {', '.join(PROFILES)}")
    return PROFILES[name or "none"]


def _banned(path: Path | None, *, extended: bool) -> BannedWords:
    from keyback.passwords.banned import BannedWords, builtin
    from keyback.passwords.terms import builtin_terms, is_compiled, read_terms

    if path is None:
        return BannedWords.of(builtin_terms(), extended=True) if extended else builtin()
    if not is_compiled(path):
        return BannedWords.of(read_terms(path), extended=extended)
    banned = BannedWords.open(path)
    if extended and not banned.extended:
        raise click.UsageError(f"{path} was compiled without --extended; build it again with it")
    return banned


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


@password.command()
@click.option("--policy", "policy_file", type=_FILE, help="Rules that it must satisfy, as TOML.")
@click.option("--profile", "profile_name", metavar="NAME", help="directory, nist, typical or careful.")
@click.option("--length", type=click.IntRange(1, 256), help="Characters; 16, or what the rules allow.")
@click.option("--words", type=click.IntRange(1, 20), help="A passphrase of so many words instead.")
@click.option("--word-list", type=_FILE, help="Words for it, one a line; otherwise 3,000 frequent English ones.")
@click.option("--count", type=click.IntRange(1, 1000), default=1, show_default=True, help="How many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object each, with its entropy.")
def generate(
    *,
    policy_file: Path | None,
    profile_name: str | None,
    length: int | None,
    words: int | None,
    word_list: Path | None,
    count: int,
    as_json: bool,
) -> None:
    """Make a password that the rules and the built-in list accept."""
    from random import SystemRandom

    from keyback.passwords import Rules, builtin
    from keyback.passwords.generate import passphrase, random_password, usual_length
    from keyback.passwords.wordlist import english_words, read_words

    rules = Rules(_profile(policy_file, profile_name), builtin())
    length = length or usual_length(rules.profile)
    rng = SystemRandom()
    chosen = (read_words(word_list) if word_list else english_words()) if words else []
    for _ in range(count):
        made = passphrase(rules, rng, chosen, count=words) if words else random_password(rules, rng, length=length)
        if as_json:
            click.echo(json.dumps({"password": made.password, "entropy_bits": round(made.entropy_bits, 1)}))
        else:
            click.echo(made.password)
            click.echo(f"{made.entropy_bits:.0f} bits of entropy", err=True)


@password.group()
def banned() -> None:
    """Lists of banned terms."""


@banned.command("build")
@click.option("--title", default="", help="What the list is.")
@click.option("--extended", is_flag=True, help="For checks with --extended.")
@click.option("--with-builtin", is_flag=True, help="The built-in terms as well.")
@click.argument("terms_file", metavar="TERMS", type=_FILE)
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
def banned_build(*, title: str, extended: bool, with_builtin: bool, terms_file: Path, out: Path) -> None:
    """Compile TERMS, one a line, into OUT, a file that processes share."""
    from keyback.passwords._termfile import compile_terms
    from keyback.passwords.banned import BannedWords
    from keyback.passwords.terms import compile_with_builtin, read_terms

    make = compile_with_builtin if with_builtin else compile_terms
    compiled = make(read_terms(terms_file), title=title or terms_file.name, extended=extended)
    fresh = out.with_name(out.name + ".new")
    fresh.write_bytes(compiled)
    fresh.replace(out)  # whoever has the old one mapped keeps it
    click.echo(f"{out}: {BannedWords.open(out).count} terms, {len(compiled)} bytes")


@password.group()
def breached() -> None:
    """Files of breached passwords."""


@breached.command("build")
@click.option("--format", "kind", type=click.Choice(["sha1", "ntlm"]), required=True, help="What SOURCE holds.")
@click.option("--min-count", type=click.IntRange(1), default=1, show_default=True, help="Leave out what is rarer.")
@click.option("--workers", type=click.IntRange(1, 64), default=8, show_default=True, help="Downloads at once.")
@click.option("--per-second", type=click.IntRange(1, 10_000), default=200, show_default=True, help="Downloads.")
@click.option("--only", default="", metavar="DIGITS", help="Download only hashes that begin so (for a trial).")
@click.argument("paths", metavar="SOURCE... OUT", nargs=-1, required=True)
def breached_build(
    *, kind: str, min_count: int, workers: int, per_second: int, only: str, paths: tuple[str, ...]
) -> None:
    """Build OUT from every SOURCE: files of HASH:COUNT, folders of per-prefix files, or the address of a range service
    to download from. Run it again to go on where it was interrupted. What was downloaded stays in OUT.download-0."""
    from keyback.cli.breached_download import download
    from keyback.passwords.breached import Kind
    from keyback.passwords.breachedbuild import build

    *sources, last = paths
    if not sources:
        raise click.UsageError("give at least one SOURCE before OUT")
    out = Path(last)
    files = []
    with _Bars() as bars:
        for number, source in enumerate(sources):
            if source.startswith(("https://", "http://")):
                into = out.with_name(f"{out.name}.download-{number}")
                download(
                    source, Kind(kind), into, only=only, workers=workers, per_second=per_second, progress=bars.show
                )
                files.append(into)
            else:
                files.append(Path(source))
        count = build(files, out, Kind(kind), min_count=min_count, progress=bars.show)
    click.echo(f"{out}: {count} hashes, {out.stat().st_size} bytes")


class _Bars:
    """A progress bar for each stage, on standard error; silent where that is no terminal."""

    def __init__(self) -> None:
        self._what = ""
        self._drawn = -1

    def __enter__(self) -> _Bars:
        return self

    def __exit__(self, *_: object) -> None:
        if self._what and sys.stderr.isatty():
            click.echo(err=True)

    def show(self, what: str, done: int, total: int) -> None:
        percent = 100 * done // max(1, total)
        if not sys.stderr.isatty() or (what, percent) == (self._what, self._drawn):
            return
        if self._what and what != self._what:
            click.echo(err=True)
        self._what, self._drawn = what, percent
        click.echo(f"\r{what:12} [{'#' * (percent // 2):50}] {percent:3}%", nl=False, err=True)
