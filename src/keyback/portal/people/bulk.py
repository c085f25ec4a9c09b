"""Many rows at once, written and looked up in the way that PostgreSQL does best."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import chain, islice
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Field, Model

__all__ = ["analyse_if_never", "insert", "lookup", "update"]

_BATCH = 500
_WORTH_IT = 5
"""Rows below which setting up a COPY costs more than it saves."""


def insert(model: type[Model], names: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """Writes new rows of one model, from plain values: an instance of each would cost more than to write it.
    ``names``: every field without the automatic key, as attributes (``person_id``); keys that the database hands out
    are not read back. By COPY where the database has it, which costs a third of the same INSERTs: rows that are made as
    they are asked for go there meanwhile, and it works on one while the next is made."""
    coming = iter(rows)
    first = list(islice(coming, _WORTH_IT))
    rows = chain(first, coming)
    if _copies(len(first)):
        _copy(model, names, rows)
    else:
        model._default_manager.bulk_create(_instances(model, names, rows), batch_size=_BATCH)


def update(model: type[Model], names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Writes these fields of rows that are there; the first of ``names`` is the primary key. In one join where the
    database has arrays: Django asks it to choose each value among those of all rows, which takes ten times as long as
    making a row new."""
    if not _copies(len(rows)):
        model._default_manager.bulk_update(_instances(model, names, rows), names[1:], batch_size=_BATCH)
        return
    fields = _fields(model)
    kinds = ", ".join(f"%s::{_kind(fields[name])}[]" for name in names)
    columns = [_quoted(str(fields[name].column)) for name in names]
    changes = ", ".join(f"{column} = new.{column}" for column in columns[1:])
    table = _quoted(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET {changes} FROM unnest({kinds}) AS new({', '.join(columns)}) "  # noqa: S608 — names of our own fields
            f"WHERE {table}.{columns[0]} = new.{columns[0]}",
            [list(column) for column in zip(*rows, strict=True)],
        )


def lookup(
    model: type[Model], names: Sequence[str], by: str, wanted: Collection[Any], **same: UUID
) -> list[tuple[Any, ...]]:
    """The fields ``names`` of every row whose ``by`` is one of ``wanted``, and whose other fields are ``same``."""
    if not wanted:
        return []
    if connection.vendor != "postgresql":
        found = model._default_manager.filter(**same, **{f"{by}__in": wanted})
        return list(found.values_list(*names))
    fields = _fields(model)
    columns = {name: _quoted(str(field.column)) for name, field in fields.items()}
    kind = _kind(fields[by])
    conditions = " AND ".join(f"{columns[name]} = %s" for name in same)
    # One descent of an index for each: OFFSET 0 keeps the planner from reading all of a table that it takes for small.
    question = (
        f"SELECT found.* FROM unnest(%s::{kind}[]) AS wanted(value) CROSS JOIN LATERAL ("  # noqa: S608 — names of our own fields
        f"SELECT {', '.join(columns[name] for name in names)} FROM {_quoted(model._meta.db_table)} "
        f"WHERE {conditions} AND {columns[by]} = wanted.value OFFSET 0) AS found"
    )
    with connection.cursor() as cursor:
        cursor.execute(question, [list(wanted), *same.values()])
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def analyse_if_never(*models: type[Model]) -> None:
    """Lets PostgreSQL look at tables that it has never looked at. Without any knowledge it takes an organization for
    one row and reads all of it for each person; its own look comes a minute later, which is 50,000 people."""
    if connection.vendor != "postgresql":
        return
    names = [model._meta.db_table for model in models]
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT tablename FROM pg_stats WHERE tablename = ANY(%s)", [names])
        known = {name for (name,) in cursor.fetchall()}
        if never := [_quoted(name) for name in names if name not in known]:
            cursor.execute(f"ANALYZE {', '.join(never)}")


def _copies(count: int) -> bool:
    return connection.vendor == "postgresql" and count >= _WORTH_IT


def _copy(model: type[Model], names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """In PostgreSQL's binary form, with the types told beforehand: a third of what each row costs as text."""
    fields = [_fields(model)[name] for name in names]
    columns = ", ".join(_quoted(str(field.column)) for field in fields)
    statement = f"COPY {_quoted(model._meta.db_table)} ({columns}) FROM STDIN (FORMAT BINARY)"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types([_kind(field) for field in fields])
        for row in rows:
            copy.write_row(row)


def _fields(model: type[Model]) -> dict[str, Field[Any, Any]]:
    return {str(field.attname): field for field in model._meta.concrete_fields}


def _kind(field: Field[Any, Any]) -> str:
    """The type of its column, without a length."""
    return str(field.db_type(connection)).partition("(")[0]


def _instances(model: type[Model], names: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> list[Model]:
    return [model(**dict(zip(names, row, strict=True))) for row in rows]


def _quoted(name: str) -> str:
    return str(connection.ops.quote_name(name))
