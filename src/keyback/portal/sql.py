"""For the few statements that are written out: one statement where several would let others in between, or where Django
takes longer to build a question than the database to answer it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Model
from django.db.models.expressions import Col

__all__ = ["aware", "columns", "instances", "quoted", "values"]


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


def instances(statement: str, parameters: Mapping[str, Any], *models: type[Model]) -> list[tuple[Any, ...]]:
    """The rows of a statement that selects the `columns` of these models one after the other, as an instance of each;
    None for what an outer join did not find."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows = cursor.fetchall()
    readers = [_reader(model, connection.vendor) for model in models]
    found = []
    for row in rows:
        start, made = 0, []
        for model, (names, key, converters) in zip(models, readers, strict=True):
            cells = list(row[start : start + len(names)])
            start += len(names)
            for position, column, converter in converters:
                cells[position] = converter(cells[position], column, connection)
            made.append(None if cells[key] is None else model.from_db(connection.alias, names, cells))
        found.append(tuple(made))
    return found


_Converter = tuple[int, Col, Callable[..., Any]]


@cache
def _reader(model: type[Model], vendor: str) -> tuple[list[str], int, list[_Converter]]:
    """The names of the fields, the place of the primary key, and what turns this database's cells into values."""
    fields = model._meta.concrete_fields
    converters: list[_Converter] = []
    for position, field in enumerate(fields):
        column = field.get_col(model._meta.db_table)
        listed = connection.ops.get_db_converters(column) + column.get_db_converters(connection)
        converters += [(position, column, converter) for converter in listed]
    names = [str(field.attname) for field in fields]
    return names, names.index(str(model._meta.pk.attname)), converters


def aware(value: datetime | str) -> datetime:
    """A moment as it comes back: SQLite hands out what Django wrote, UTC without its zone."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
