"""For the few statements that are written out: one statement where several would let others in between, or where Django
takes longer to build a question than the database to answer it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Model

__all__ = ["aware", "columns", "quoted", "values"]


def values(**given: object) -> dict[str, Any]:
    """The parameters as this database takes them: SQLite has no type for ids, moments and JSON."""
    return {name: _value(value) for name, value in given.items()}


def _value(value: object) -> Any:
    if isinstance(value, UUID):
        return value if connection.features.has_native_uuid_field else value.hex
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    if isinstance(value, dict | list):
        return connection.ops.adapt_json_value(value, None)
    return value


def quoted(words: Iterable[str]) -> str:
    """Constants of ours, for within a statement."""
    return ", ".join(f"'{word}'" for word in words)


def columns(model: type[Model], alias: str) -> str:
    """Each by its name: a statement that PostgreSQL has prepared with a ``*`` fails once a column is added."""
    return ", ".join(f"{alias}.{field.column}" for field in model._meta.concrete_fields)


def aware(value: datetime | str) -> datetime:
    """A moment as it comes back: SQLite hands out what Django wrote, UTC without its zone."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
