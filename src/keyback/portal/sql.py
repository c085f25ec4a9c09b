"""For the few statements that are written out: one statement where several would let others in between, or where Django
takes longer to build a question than the database to answer it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

from django.db import connection
from django.db.models import Model
from django.db.models.expressions import Col

__all__ = ["aware", "columns", "instances", "quoted", "select", "values"]

M = TypeVar("M", bound=Model)


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


def select(model: type[M], condition: str, **given: object) -> list[M]:
    """Instances of one model. ``condition``: what stands after WHERE, with ``given`` as its parameters."""
    table = model._meta.db_table
    statement = f"SELECT {columns(model, table)} FROM {table} WHERE {condition}"  # noqa: S608 — words of ours
    return [row for (row,) in instances(statement, values(**given), model)]


def instances(statement: str, parameters: Mapping[str, Any], *models: type[Model]) -> list[tuple[Any, ...]]:
    """The rows of a statement that selects the `columns` of these models one after the other, as an instance of each
    (None for what an outer join did not find), and then whatever else it selects, as it comes."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows = cursor.fetchall()
    readers = [_reader(model, connection.vendor) for model in models]
    found = []
    for row in rows:
        start = 0
        made: list[Any] = []
        for model, (names, key, converters) in zip(models, readers, strict=True):
            cells = list(row[start : start + len(names)])
            start += len(names)
            for position, column, converter in converters:
                cells[position] = converter(cells[position], column, connection)
            made.append(None if cells[key] is None else model.from_db(connection.alias, names, cells))
        found.append((*made, *row[start:]))
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
