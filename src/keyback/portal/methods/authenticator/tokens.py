"""Hardware tokens, as their maker lists them: one CSV for many people."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass, field

from keyback.errors import KeybackError
from keyback.portal.methods.authenticator.totp import base32

__all__ = ["COLUMNS", "ListRefused", "Token", "read"]

COLUMNS = ("upn", "serial number", "secret key", "time interval", "manufacturer", "model")
_PERIODS = (30, 60)


class ListRefused(KeybackError):
    """The list cannot be read; the text names the line, never a secret."""

    code = "list_refused"


@dataclass(frozen=True, slots=True)
class Token:
    """``period`` in seconds. ``line`` of the file, counted from 1."""

    line: int
    user_id: str
    serial: str
    secret: str = field(repr=False)
    period: int
    maker: str
    model: str

    @property
    def label(self) -> str:
        """What the person finds printed on it."""
        return " ".join(part for part in (self.maker, self.model, self.serial) if part)[:100]


def read(lines: Iterable[str]) -> list[Token]:
    """Every token, or ListRefused for the first line that is wrong."""
    rows = csv.DictReader(lines, strict=True)
    try:
        names = [name.strip().casefold() for name in rows.fieldnames or ()]
        if names != list(COLUMNS):
            raise ListRefused(f"the first line must be: {','.join(COLUMNS)}")
        rows.fieldnames = names
        return [_token(rows.line_num, row) for row in rows]
    except (csv.Error, UnicodeDecodeError):
        raise ListRefused(f"line {rows.line_num + 1} is no CSV in UTF-8") from None


def _token(line: int, row: dict[str | None, str | None]) -> Token:
    if None in row or None in row.values():
        raise ListRefused(f"line {line} has not six columns")
    text = {str(name): str(value).strip() for name, value in row.items()}
    secret = base32(text["secret key"])
    if secret is None:
        raise ListRefused(f"line {line}: the secret key is not Base32 of 16 to 128 characters")
    if not text["serial number"]:
        raise ListRefused(f"line {line} has no serial number")
    if not "".join(text.values()).isprintable():
        raise ListRefused(f"line {line} holds a character that cannot be printed")
    period = text["time interval"]
    if not (period.isascii() and period.isdigit() and int(period) in _PERIODS):
        raise ListRefused(f"line {line}: the time interval is 30 or 60 seconds")
    return Token(line, text["upn"], text["serial number"], secret, int(period), text["manufacturer"], text["model"])
