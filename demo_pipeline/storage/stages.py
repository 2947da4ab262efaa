"""Pipeline stages of a tenant as people have left them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg

Connection = psycopg.Connection[Any]


def stage_outcomes(conn: Connection, tenant_id: UUID) -> dict[bytes, tuple[bool, bool]]:
    """Stage id → (is won, is lost), as the tenant has them now."""
    rows = conn.execute(
        "SELECT id, is_won, is_lost FROM crm.pipeline_stages WHERE tenant_id = %s", (tenant_id,)
    ).fetchall()
    return {row[0].bytes: (row[1], row[2]) for row in rows}
