"""A fingerprint of everything that a tenant can see.

SHA-256 over the rows of every table in the order of their ids, as PostgreSQL's COPY text with times in UTC.
It does not depend on row order, physical layout, server version, session, or on who made the rows. Provenance
and deleted rows are not part of it, nor is anything in schema ``demo``.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg import sql

from demo_pipeline.domain.model import MODEL, Table


def copy_statement(table: Table, tenant_id: UUID) -> sql.Composed:
    """COPY of what the tenant sees of a table, in the order of ids."""
    columns: LiteralString = ", ".join(table.visible)
    key: LiteralString = "id" if table.is_tenant else "tenant_id"
    return sql.SQL(
        f"COPY (SELECT {columns} FROM crm.{table.name} WHERE {key} = {{}} AND deleted_at IS NULL ORDER BY id)"
        " TO STDOUT"
    ).format(tenant_id)


def tenant_digest(conn: psycopg.Connection[Any], tenant_id: UUID) -> str:
    """64 hexadecimal digits, from one snapshot; outside of a transaction."""
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return digest_within(conn, tenant_id)


def digest_within(conn: psycopg.Connection[Any], tenant_id: UUID) -> str:
    """The same within a transaction, of what it sees. Streams the rows; memory does not grow with them."""
    digest = sha256()
    with conn.cursor() as cursor:
        cursor.execute("SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'")
        # In this order since the first version: the counted tables last.
        for table in sorted(MODEL, key=lambda table: table.is_counted):
            digest.update(f"{table.name}({','.join(table.visible)})\n".encode())
            with cursor.copy(copy_statement(table, tenant_id)) as copy:
                for piece in copy:
                    digest.update(piece)
    return digest.hexdigest()
