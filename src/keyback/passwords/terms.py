"""A list of banned terms as people write it: one a line. Empty lines and lines that begin with ``# `` are left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from keyback.passwords._termfile import KIND, MOST_TERMS, TermsRefused, compile_terms, refusal_of

__all__ = ["TermsRefused", "builtin_terms", "compile_with_builtin", "is_compiled", "parse_terms", "read_terms"]


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


def builtin_terms() -> list[str]:
    """The terms of the built-in list, to compile them otherwise."""
    return read_terms(Path(__file__).parent / "data" / "builtin.txt")


def compile_with_builtin(terms: Iterable[str], *, title: str, extended: bool = False) -> bytes:
    """A compiled list of these terms, 100,000 at most, and of the built-in ones. Raises TermsRefused."""
    own = set(terms)
    if len(own) > MOST_TERMS:
        raise TermsRefused(f"more than {MOST_TERMS} terms")
    return compile_terms([*own, *builtin_terms()], title=title, extended=extended, most=2 * MOST_TERMS)


def is_compiled(path: Path) -> bool:
    """Whether this is a compiled list, of whatever version, and not text."""
    try:
        with path.open("rb") as file:
            return file.read(len(KIND)) == KIND
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
