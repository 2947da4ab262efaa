"""A fingerprint of everything that a tenant can see.

SHA-256 over the rows of every table in the order of their ids, as PostgreSQL's COPY text with times in
UTC: independent of row order, physical layout, server version, session, and of who owns the rows.
Provenance and deleted rows are not part of it, nor is anything in schema ``demo``.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg import sql

#: table → the columns of its view in ``crm_app``, by name
COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "tenants": (
        "country", "created_at", "currency", "id", "industry", "name", "slug", "timezone", "updated_at",
    ),
    "users": ("created_at", "email", "first_name", "id", "last_name", "role", "tenant_id", "updated_at"),
    "pipeline_stages": (
        "created_at", "id", "is_lost", "is_won", "name", "position", "probability", "tenant_id", "updated_at",
    ),
    "tags": ("color", "created_at", "id", "name", "tenant_id", "updated_at"),
    "contact_tags": ("contact_id", "created_at", "id", "tag_id", "tenant_id", "updated_at"),
    "companies": (
        "address", "city", "country", "created_at", "domain", "id", "industry", "name", "owner_id", "phone",
        "postal_code", "size", "state", "tenant_id", "updated_at", "website",
    ),
    "contacts": (
        "company_id", "created_at", "email", "first_name", "id", "last_name", "owner_id", "phone", "source",
        "status", "tenant_id", "updated_at",
    ),
    "deals": (
        "closed_at", "company_id", "contact_id", "created_at", "currency", "expected_close_date", "id",
        "owner_id", "probability", "stage_id", "tenant_id", "title", "updated_at", "value",
    ),
    "activities": (
        "company_id", "completed_at", "contact_id", "created_at", "created_by_id", "deal_id", "description",
        "duration_minutes", "id", "scheduled_at", "subject", "tenant_id", "type", "updated_at",
    ),
}  # fmt: skip


def tenant_digest(conn: psycopg.Connection[Any], tenant_id: UUID) -> str:
    """64 hexadecimal digits. Streams the rows; memory does not grow with them."""
    digest = sha256()
    with conn.transaction(), conn.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'")
        for table, columns in COLUMNS.items():
            digest.update(f"{table}({','.join(columns)})\n".encode())
            statement = sql.SQL(
                "COPY (SELECT {columns} FROM crm.{table} WHERE {key} = {tenant} AND deleted_at IS NULL "
                "ORDER BY id) TO STDOUT"
            ).format(
                columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
                table=sql.Identifier(table),
                key=sql.Identifier("id" if table == "tenants" else "tenant_id"),
                tenant=sql.Literal(tenant_id),
            )
            with cursor.copy(statement) as copy:
                for piece in copy:
                    digest.update(piece)
    return digest.hexdigest()
