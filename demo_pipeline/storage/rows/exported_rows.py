"""What a tenant sees of a table, as CSV, for other systems.

Columns in the order of the model, rows in the order of ids. A reference to a row that people deleted is
empty, and a row that cannot do without it is left out: each reference leads to a row of the export.
Formats of files do not belong here.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.abc import Buffer

from demo_pipeline.domain.model import Column, Kind, Table


def exported_columns(table: Table) -> tuple[Column, ...]:
    """The columns that the tenant sees, in the order of the model."""
    return tuple(column for column in table.columns if column.is_visible)


@contextmanager
def exported_csv(conn: psycopg.Connection[Any], table: Table, tenant_id: UUID) -> Generator[Iterator[Buffer]]:
    """Pieces of a CSV file with a header: UTF-8, instants in UTC, booleans as ``true`` and ``false``.

    An empty text is quoted, a null is not. Within a transaction; memory does not grow with the rows.
    """
    conn.execute("SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'")
    # A tenant that is new to the statistics seems to have no rows: a join would go through it row by row.
    conn.execute("SET LOCAL enable_nestloop = off")
    with conn.cursor() as cursor, cursor.copy(_statement(table, tenant_id)) as copy:
        yield iter(copy)


def _statement(table: Table, tenant_id: UUID) -> sql.Composed:
    selected: LiteralString = ", ".join(
        f"{_expression(column)} AS {column.name}" for column in exported_columns(table)
    )
    joins: LiteralString = " ".join(
        f"{'' if column.is_required else 'LEFT '}JOIN crm.{column.references} {column.name}_row"
        f" ON {column.name}_row.tenant_id = t.tenant_id AND {column.name}_row.id = t.{column.name}"
        f" AND {column.name}_row.deleted_at IS NULL"
        for column in table.own
        if column.references is not None
    )
    key: LiteralString = "id" if table.is_tenant else "tenant_id"
    return sql.SQL(
        f"COPY (SELECT {selected} FROM crm.{table.name} t {joins}"
        f" WHERE t.{key} = {{}} AND t.deleted_at IS NULL ORDER BY t.id) TO STDOUT (FORMAT csv, HEADER)"
    ).format(tenant_id)


def _expression(column: Column) -> LiteralString:
    if column.references is not None:
        return f"{column.name}_row.id"
    return f"t.{column.name}::text" if column.kind is Kind.BOOLEAN else f"t.{column.name}"
