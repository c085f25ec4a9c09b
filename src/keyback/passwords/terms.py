"""A list of banned terms as people write it: one a line. Empty lines and lines that begin with ``# `` are left out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from keyback.passwords._termfile import MAGIC, TermsRefused, refusal_of

__all__ = ["is_compiled", "parse_terms", "read_terms"]


def parse_terms(text: str, name: str = "the list") -> list[str]:
    """Raises TermsRefused naming the line that holds no term."""
    return list(_parsed(text, name))


def read_terms(path: Path) -> list[str]:
    """The terms in a UTF-8 file. Raises TermsRefused."""
    try:
        return parse_terms(path.read_text("utf-8-sig"), str(path))
    except OSError as error:
        raise TermsRefused(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise TermsRefused(f"{path}: not UTF-8") from None


def is_compiled(path: Path) -> bool:
    """Whether this is a compiled list, and not text."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError as error:
        raise TermsRefused(f"{path}: {error.strerror}") from None


def _parsed(text: str, name: str) -> Iterator[str]:
    for number, line in enumerate(text.split("\n"), 1):
        term = line.strip()
        if not term or term == "#" or term.startswith("# "):
            continue
        if why := refusal_of(term):
            raise TermsRefused(f"{name}, line {number}: {why}")
        yield term
