"""Every command that the documents name is there, with every option."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from keyback.cli.main import cli

TREE = Path(__file__).parents[2]
PAGES = [TREE / "README.md", TREE / "CHANGELOG.md", *sorted((TREE / "docs").glob("*.md"))]
_NAMED = re.compile(r"`(keyback [^`]+)`|^ *(keyback .+)$", re.MULTILINE)


def _commands(page: Path) -> Iterator[list[str]]:
    for match in _NAMED.finditer(page.read_text("utf-8")):
        text = re.split(r"\s#|\s[|>]", match[1] or match[2])[0]
        yield shlex.split(re.sub(r"[][…]", " ", text))[1:]


def _wrong(words: list[str]) -> str:
    """What of this command there is not; empty where all of it is."""
    command: click.Command | None = cli
    context = click.Context(cli)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        names, words = words[0].split("|"), words[1:]
        found = [command.get_command(context, name) for name in names]
        if None in found:
            return " ".join(names)
        if len(names) > 1:
            return ""  # several at once: whose the options would be is not said
        command = found[0]
    assert command is not None
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    given = {re.split("[=|]", word)[0] for word in words if word.startswith("--")}
    return " ".join(sorted(given - known - {"--help"}))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_on_this_page_is_there(page: Path) -> None:
    assert [words for words in _commands(page) if _wrong(list(words))] == []


def test_what_is_not_there_would_be_found() -> None:
    assert _wrong(["org", "make"]) == "make"
    assert _wrong(["org", "create", "Example", "--slug", "example", "--sulg", "example"]) == "--sulg"
