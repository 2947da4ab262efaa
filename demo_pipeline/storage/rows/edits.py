"""Generated rows that people changed after their job had made them.

A trigger records every UPDATE outside of a job. Edits from before the trigger existed have no record; such a
row counts as edited where ``updated_at`` is later than the end of its job. Only reads, within a transaction.
Deletions are ``soft_delete``'s.

The name of a table in this module's SQL comes from its constants, never from input.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, LiteralString
from uuid import UUID

import psycopg
from psycopg import sql

Connection = psycopg.Connection[Any]

_TABLES: Final[tuple[LiteralString, ...]] = ("companies", "contacts", "deals", "activities")
#: joins the record of a row ``r``; absent: ``e.id`` is null
EDIT_RECORD: Final[LiteralString] = (
    "LEFT JOIN demo.edited_rows e ON e.tenant_id = r.tenant_id AND e.job_id = r.demo_job_id AND e.id = r.id"
)


def finished_at(conn: Connection, tenant_id: UUID) -> dict[UUID, datetime]:
    """Completed job → the instant that no time in its rows is later than. For administrators."""
    return dict(
        conn.execute(
            "SELECT id, greatest(completed_at, as_of) FROM demo.job_ledger"
            " WHERE tenant_id = %s AND status = 'completed'",
            [tenant_id],
        ).fetchall()
    )


def edited_rows(
    conn: Connection, tenant_id: UUID, finished: Mapping[UUID, datetime]
) -> dict[str, frozenset[UUID]]:
    """Table → ids of the tenant's living generated rows that people edited; tables without any are absent."""
    found: dict[str, frozenset[UUID]] = {}
    # Fresh rows are unknown to the statistics: a nested loop would be chosen, and run for minutes.
    conn.execute("SELECT set_config('enable_nestloop', 'off', true)")
    for table in _TABLES:
        rows = conn.execute(
            sql.SQL(
                "SELECT r.id FROM crm.{} r {} LEFT JOIN unnest(%s::uuid[], %s::timestamptz[])"
                " AS job (id, finished_at) ON job.id = r.demo_job_id"
                " WHERE r.tenant_id = %s AND r.demo_generated AND r.deleted_at IS NULL"
                " AND (e.id IS NOT NULL OR r.updated_at > job.finished_at)"
            ).format(sql.Identifier(table), sql.SQL(EDIT_RECORD)),
            [list(finished), list(finished.values()), tenant_id],
        ).fetchall()
        if rows:
            found[table] = frozenset(row for (row,) in rows)
    return found
