"""Where a tenant's rows come from: which have provenance, which people edited, what the rest turn out to be.

A trigger records every UPDATE outside of a job. Edits from before there was the trigger have no record; such
a row counts as edited where ``updated_at`` is later than its job. Deletions are in ``soft_delete``.
Within a transaction, a job's where rows are written. Only provenance is written: a tenant sees no change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from demo_pipeline.domain.model import MODEL, Table

Connection = psycopg.Connection[Any]

#: joins the record of a row ``r``; absent: ``e.id`` is null
EDIT_RECORD: Final[LiteralString] = (
    "LEFT JOIN demo.edited_rows e ON e.tenant_id = r.tenant_id AND e.job_id = r.demo_job_id AND e.id = r.id"
)
_WITHOUT: Final[LiteralString] = (
    "NOT r.demo_generated AND r.demo_job_id IS NULL AND r.demo_source_month IS NULL"
)
#: what the loader's policies ask of a row that it updates; people may have changed a row since
_SOUND: Final[LiteralString] = "(r.deleted_at IS NULL OR r.deleted_at >= r.created_at)"


@dataclass(frozen=True, kw_only=True)
class Bare:
    """A row without provenance, soft-deleted ones included."""

    id: UUID
    #: no job made it that took place before
    known_at: datetime
    #: the same, if nobody has changed the row or its parents since
    touched_at: datetime
    #: whether a job may write to it
    is_sound: bool


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """Rows of one table, soft-deleted ones included."""

    with_provenance: int
    without: int


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
    # The statistics do not know fresh rows: a nested loop would be chosen, and run for minutes.
    conn.execute("SELECT set_config('enable_nestloop', 'off', true)")
    for table in MODEL.counted:
        rows = conn.execute(
            f"""
            SELECT r.id FROM crm.{table} r {EDIT_RECORD}
            LEFT JOIN unnest(%s::uuid[], %s::timestamptz[]) AS job (id, finished_at) ON job.id = r.demo_job_id
            WHERE r.tenant_id = %s AND r.demo_generated AND r.deleted_at IS NULL
                AND (e.id IS NOT NULL OR r.updated_at > job.finished_at)
            """,
            [list(finished), list(finished.values()), tenant_id],
        ).fetchall()
        if rows:
            found[table] = frozenset(row for (row,) in rows)
    return found


def coverage(conn: Connection, tenant_id: UUID) -> dict[str, Coverage]:
    """Table → how many of its rows have provenance."""
    found: dict[str, Coverage] = {}
    for table in MODEL.counted:
        row = conn.execute(
            f"SELECT count(*) FILTER (WHERE demo_generated), count(*) FROM crm.{table} WHERE tenant_id = %s",
            [tenant_id],
        ).fetchone()
        assert row is not None  # one row, always
        found[table] = Coverage(with_provenance=row[0], without=row[1] - row[0])
    return found


def bare_rows(conn: Connection, tenant_id: UUID, table: str) -> list[Bare]:
    """The rows of a table without any provenance, by id."""
    with conn.cursor(row_factory=class_row(Bare)) as cursor:
        return cursor.execute(_bare_query(MODEL[table]), [tenant_id]).fetchall()


def _bare_query(table: Table) -> LiteralString:
    """``known_at``: facts that people seldom change. ``touched_at``: facts of the row and its parents.

    No row comes before its parents.
    """
    known: LiteralString = ", ".join(f"r.{fact}" for fact in table.facts if fact != "updated_at")
    touched: LiteralString = ", ".join(f"r.{fact}" for fact in table.facts if fact != "created_at")
    joins: LiteralString = ""
    for one in table.references:
        if one.parent in MODEL.counted:
            alias = one.column.removesuffix("_id")
            joins += (
                f" LEFT JOIN crm.{one.parent} {alias}"
                f" ON {alias}.tenant_id = r.tenant_id AND {alias}.id = r.{one.column}"
            )
            for fact in MODEL[one.parent].facts:
                touched += f", {alias}.{fact}" if fact != "created_at" else ""
    return f"""
        SELECT r.id, greatest({known}) AS known_at, greatest({touched}) AS touched_at,
            {_SOUND} AS is_sound
        FROM crm.{table.name} r {joins} WHERE r.tenant_id = %s AND {_WITHOUT} ORDER BY r.id
        """


def fill(conn: Connection, tenant_id: UUID, table: str, ids: Sequence[UUID], jobs: Sequence[UUID]) -> int:
    """Give rows their job and the month of their creation (UTC); rows that have some keep theirs."""
    return conn.execute(
        f"""
        UPDATE crm.{MODEL[table].name} r SET demo_generated = true, demo_job_id = given.job,
            demo_source_month = to_char(r.created_at AT TIME ZONE 'UTC', 'YYYY-MM')
        FROM unnest(%s::uuid[], %s::uuid[]) AS given (id, job)
        WHERE r.tenant_id = %s AND r.id = given.id AND {_WITHOUT}
        """,
        [list(ids), list(jobs), tenant_id],
    ).rowcount
