"""Many rows at once, written and looked up in the way that PostgreSQL does best."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import chain, islice
from typing import Any, TypeVar
from uuid import UUID

from django.db import connection
from django.db.models import AutoField, Model

__all__ = ["analyse_if_never", "insert", "insert_values", "lookup", "update"]

_BATCH = 500
_WORTH_IT = 20
"""Rows below which setting up a COPY costs more than it saves."""

M = TypeVar("M", bound=Model)


def insert(model: type[M], rows: Sequence[M]) -> None:
    """Writes new rows of one model; keys that the database hands out are not read back. By COPY where the database has
    it, which costs a third of the same INSERTs."""
    if not _copies(len(rows)):
        model._default_manager.bulk_create(rows, batch_size=_BATCH)
        return
    names = [str(field.attname) for field in model._meta.concrete_fields if not isinstance(field, AutoField)]
    _copy(model, names, ([row.__dict__[name] for name in names] for row in rows))


def insert_values(model: type[M], names: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """The same from plain values, which spares making an instance of each row. ``names``: every field without the
    automatic key, as attributes (``person_id``). Rows that are made as they are asked for go to PostgreSQL meanwhile,
    and it works on one while the next is made."""
    coming = iter(rows)
    first = list(islice(coming, _WORTH_IT))
    rows = chain(first, coming)
    if _copies(len(first)):
        _copy(model, names, rows)
    else:
        insert(model, [model(**dict(zip(names, row, strict=True))) for row in rows])


def update(model: type[M], rows: Sequence[M], names: Sequence[str]) -> None:
    """Writes these fields of rows that are there. In one join where the database has arrays: Django asks it to choose
    each value among those of all rows, which takes ten times as long as making a row new."""
    if not _copies(len(rows)):
        model._default_manager.bulk_update(rows, names, batch_size=_BATCH)
        return
    key = str(model._meta.pk.attname)
    fields = {field.attname: field for field in model._meta.concrete_fields}
    kinds = ", ".join(f"%s::{fields[name].db_type(connection)}[]" for name in (key, *names))
    columns = [_quoted(str(fields[name].column)) for name in (key, *names)]
    changes = ", ".join(f"{column} = new.{column}" for column in columns[1:])
    table = _quoted(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET {changes} FROM unnest({kinds}) AS new({', '.join(columns)}) "  # noqa: S608 — names of our own fields
            f"WHERE {table}.{columns[0]} = new.{columns[0]}",
            [[row.__dict__[name] for row in rows] for name in (key, *names)],
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
    columns = {field.attname: _quoted(str(field.column)) for field in model._meta.concrete_fields}
    kind = str(model._meta.get_field(by).db_type(connection)).partition("(")[0]
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
    columns = {field.attname: field.column for field in model._meta.concrete_fields}
    quoted = ", ".join(_quoted(str(columns[name])) for name in names)
    with connection.cursor() as cursor, cursor.copy(f"COPY {model._meta.db_table} ({quoted}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _quoted(name: str) -> str:
    return str(connection.ops.quote_name(name))
