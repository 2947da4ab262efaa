"""Soft deletion of generated rows by a job, and its reverse.

The rows are first collected in a temporary table, then examined, then soft-deleted or restored by their ids.
Only ``deleted_at`` changes, so a restored row is byte for byte what it was. All within a job's transaction;
for a preview within any other transaction, which then rolls back.

A collection has the counted tables' rows; the tags of a contact follow their contact.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.model import MODEL
from demo_pipeline.storage.rows.provenance import EDIT_RECORD

Connection = psycopg.Connection[Any]

_MICROSECOND: Final = timedelta(microseconds=1)
#: the columns of a :class:`FoundRow` besides its table
_FOUND: Final[LiteralString] = "r.id, r.demo_job_id AS job_id, r.created_at"


@dataclass(frozen=True, kw_only=True)
class FoundRow:
    """A row that depends on collected rows, that they depend on, or that people changed."""

    #: its table
    entity: str
    id: UUID
    #: the job that made it; None: people did
    job_id: UUID | None
    created_at: datetime


def collect_job(conn: Connection, tenant_id: UUID, job_id: UUID) -> dict[str, int]:
    """Collect the living rows of a job. Table → rows."""
    return _collect(conn, tenant_id, "r.demo_job_id = %(job)s AND r.deleted_at IS NULL", job=job_id)


def collect_months(
    conn: Connection, tenant_id: UUID, months: Sequence[Month], jobs: Sequence[UUID]
) -> dict[str, int]:
    """Collect the living rows that some jobs made for some months. Table → rows."""
    return _collect(
        conn,
        tenant_id,
        "r.demo_generated AND r.demo_job_id = ANY(%(jobs)s) AND r.demo_source_month = ANY(%(months)s)"
        " AND r.deleted_at IS NULL",
        jobs=list(jobs),
        months=[str(month) for month in months],
    )


def collect_deleted(conn: Connection, tenant_id: UUID, deleted_at: datetime) -> dict[str, int]:
    """Collect the rows that were deleted at an instant. Table → rows."""
    return _collect(conn, tenant_id, "r.deleted_at = %(deleted_at)s", deleted_at=deleted_at)


def collect_rows(conn: Connection, rows: Iterable[tuple[str, Sequence[UUID]]]) -> None:
    """Collect rows by table and id; a row may be named twice."""
    _start_collection(conn)
    for table, ids in rows:
        conn.execute(
            "INSERT INTO pg_temp.collected SELECT %s, unnest(%s::uuid[]) ON CONFLICT DO NOTHING",
            [table, list(ids)],
        )
    # So that few rows are found by their ids. Without statistics, or without nested loops, which the reader
    # of living rows turns off, each statement on the collection reads all rows of the tenant.
    conn.execute("ANALYZE pg_temp.collected")
    conn.execute("SELECT set_config('enable_nestloop', 'on', true)")


def discard(conn: Connection) -> None:
    """Drop the collection, so that another one can be made in the same transaction."""
    conn.execute("DROP TABLE pg_temp.collected")


def count_purged(conn: Connection, tenant_id: UUID, job_id: UUID, made: Mapping[str, int]) -> int:
    """How many rows that a job made do not exist any more, not even soft-deleted. ``made``: table → rows."""
    purged = 0
    for table in MODEL.counted:
        row = conn.execute(
            f"SELECT count(*) FROM crm.{table} WHERE tenant_id = %s AND demo_job_id = %s", [tenant_id, job_id]
        ).fetchone()
        purged += max(made.get(table, 0) - (row[0] if row else 0), 0)
    return purged


def collected(conn: Connection) -> dict[str, int]:
    """Table → collected rows."""
    counts = dict(conn.execute("SELECT entity, count(*) FROM pg_temp.collected GROUP BY entity").fetchall())
    return {table: counts[table] for table in MODEL.monthly if table in counts}


def collected_among(
    conn: Connection, tenant_id: UUID, rows: Mapping[str, Collection[UUID]]
) -> list[FoundRow]:
    """The collected rows that are among ``rows``: table → ids."""
    found: list[FoundRow] = []
    for table in MODEL.counted:
        found += _find(
            conn,
            f"""
            SELECT '{table}' AS entity, {_FOUND}
            FROM crm.{table} r JOIN pg_temp.collected c ON c.entity = '{table}' AND c.id = r.id
            WHERE r.tenant_id = %(tenant)s AND r.id = ANY(%(ids)s) ORDER BY r.id
            """,
            tenant=tenant_id,
            ids=list(rows.get(table, ())),
        )
    return found


def collected_jobs(conn: Connection, tenant_id: UUID) -> set[UUID]:
    """The jobs that made collected rows."""
    found: set[UUID] = set()
    for table in MODEL.counted:
        rows = conn.execute(
            f"""
            SELECT DISTINCT r.demo_job_id
            FROM crm.{table} r JOIN pg_temp.collected c ON c.entity = '{table}' AND c.id = r.id
            WHERE r.tenant_id = %s AND r.demo_job_id IS NOT NULL
            """,
            [tenant_id],
        )
        found |= {job_id for (job_id,) in rows}
    return found


def dependents(conn: Connection, tenant_id: UUID, *, collect: bool) -> list[FoundRow]:
    """Living rows outside the collection that refer to a row in it.

    With ``collect`` generated ones are added to the collection, and what refers to them is found, too.
    """
    found: dict[UUID, FoundRow] = {}
    for one in MODEL.counted_references:
        rows = _find(
            conn,
            f"""
            SELECT '{one.child}' AS entity, {_FOUND} FROM crm.{one.child} r
            WHERE r.tenant_id = %(tenant)s AND r.deleted_at IS NULL
                AND r.{one.column} IN (SELECT c.id FROM pg_temp.collected c WHERE c.entity = '{one.parent}')
                AND NOT EXISTS (
                    SELECT FROM pg_temp.collected c WHERE c.entity = '{one.child}' AND c.id = r.id)
            """,
            tenant=tenant_id,
        )
        found |= {row.id: row for row in rows}
        generated = [row.id for row in rows if row.job_id is not None]
        if collect and generated:
            conn.execute(
                "INSERT INTO pg_temp.collected SELECT %s, unnest(%s::uuid[])", [one.child, generated]
            )
    return list(found.values())


def deleted_parents(conn: Connection, tenant_id: UUID, since: datetime) -> list[FoundRow]:
    """Rows outside the collection that were deleted after ``since`` and that a row in it refers to."""
    found: dict[UUID, FoundRow] = {}
    for one in MODEL.counted_references:
        rows = _find(
            conn,
            f"""
            SELECT '{one.parent}' AS entity, {_FOUND}
            FROM pg_temp.collected c
            JOIN crm.{one.child} child ON child.tenant_id = %(tenant)s AND child.id = c.id
            JOIN crm.{one.parent} r ON r.tenant_id = child.tenant_id AND r.id = child.{one.column}
            WHERE c.entity = '{one.child}' AND r.deleted_at > %(since)s
                AND NOT EXISTS (
                    SELECT FROM pg_temp.collected o WHERE o.entity = '{one.parent}' AND o.id = r.id)
            """,
            tenant=tenant_id,
            since=since,
        )
        found |= {row.id: row for row in rows}
    return list(found.values())


def changed_by_people(
    conn: Connection, tenant_id: UUID, job_id: UUID, since: datetime, undone_at: Sequence[datetime]
) -> list[FoundRow]:
    """Rows of a job that people changed, deleted or restored after it was done.

    Recorded edits; edits from before they were recorded show by an ``updated_at`` after ``since``.
    ``undone_at``: when undos deleted rows, which people did not.
    """
    found: list[FoundRow] = []
    for table in MODEL.counted:
        found += _find(
            conn,
            f"""
            SELECT '{table}' AS entity, {_FOUND} FROM crm.{table} r {EDIT_RECORD}
            WHERE r.tenant_id = %(tenant)s AND r.demo_job_id = %(job)s
                AND (e.id IS NOT NULL OR r.updated_at > %(since)s
                    OR r.deleted_at IS NOT NULL AND r.deleted_at <> ALL(%(undone_at)s::timestamptz[]))
            ORDER BY r.id
            """,
            tenant=tenant_id,
            job=job_id,
            since=since,
            undone_at=list(undone_at),
        )
    return found


def leave_out_edited(
    conn: Connection, tenant_id: UUID, edited: Iterable[tuple[str, UUID]]
) -> dict[str, set[UUID]]:
    """Remove edited rows from the collection, and every collected row that one of them depends on.

    The collection holds all that depends on its rows (:func:`dependents`). Table → rows that were removed.
    """
    removed: dict[str, set[UUID]] = {table: set() for table in MODEL.counted}
    for table, row in edited:
        removed[table].add(row)
    for table, rows in removed.items():
        found = conn.execute(
            "SELECT id FROM pg_temp.collected WHERE entity = %s AND id = ANY(%s)", [table, list(rows)]
        ).fetchall()
        removed[table] = {row for (row,) in found}
    for one in reversed(MODEL.counted_references):
        if removed[one.child]:
            found = conn.execute(
                f"""
                SELECT DISTINCT c.id FROM crm.{one.child} r
                JOIN pg_temp.collected c ON c.entity = '{one.parent}' AND c.id = r.{one.column}
                WHERE r.tenant_id = %s AND r.id = ANY(%s)
                """,
                [tenant_id, list(removed[one.child])],
            ).fetchall()
            removed[one.parent] |= {row for (row,) in found}
    for table, rows in removed.items():
        conn.execute("DELETE FROM pg_temp.collected WHERE entity = %s AND id = ANY(%s)", [table, list(rows)])
    return removed


def soft_delete(conn: Connection, tenant_id: UUID, deleted_at: datetime | None = None) -> datetime:
    """Mark the collected rows, and their contacts' tags, as deleted. Returns the instant, unique to them.

    ``deleted_at``: the instant at which a job deleted the same rows before.
    """
    deleted_at = deleted_at or _unused_instant(conn, tenant_id)
    parameters = {"tenant": tenant_id, "deleted_at": deleted_at}
    for table in MODEL.counted:
        conn.execute(
            f"""
            UPDATE crm.{table} SET deleted_at = %(deleted_at)s
            WHERE tenant_id = %(tenant)s AND deleted_at IS NULL
                AND id IN (SELECT c.id FROM pg_temp.collected c WHERE c.entity = '{table}')
            """,
            parameters,
        )
    conn.execute(
        """
        UPDATE crm.contact_tags SET deleted_at = %(deleted_at)s
        WHERE tenant_id = %(tenant)s AND deleted_at IS NULL
            AND (contact_id IN (SELECT c.id FROM pg_temp.collected c WHERE c.entity = 'contacts')
                OR id IN (SELECT c.id FROM pg_temp.collected c WHERE c.entity = 'contact_tags'))
        """,
        parameters,
    )
    return deleted_at


def restore(conn: Connection, tenant_id: UUID, deleted_at: datetime) -> int:
    """Restore the rows that were deleted at an instant.

    A tag that a person has set again on its contact meanwhile stays deleted; returns how many there are.
    """
    parameters = {"tenant": tenant_id, "deleted_at": deleted_at}
    for table in MODEL.counted:
        conn.execute(
            f"UPDATE crm.{table} SET deleted_at = NULL"
            " WHERE tenant_id = %(tenant)s AND deleted_at = %(deleted_at)s",
            parameters,
        )
    row = conn.execute(
        """
        WITH deleted AS (
            SELECT r.id, EXISTS (
                SELECT FROM crm.contact_tags o
                WHERE o.tenant_id = r.tenant_id AND o.contact_id = r.contact_id AND o.tag_id = r.tag_id
                    AND o.deleted_at IS NULL) AS is_set_again
            FROM crm.contact_tags r WHERE r.tenant_id = %(tenant)s AND r.deleted_at = %(deleted_at)s),
        restored AS (
            UPDATE crm.contact_tags r SET deleted_at = NULL FROM deleted
            WHERE r.tenant_id = %(tenant)s AND r.id = deleted.id AND NOT deleted.is_set_again)
        SELECT count(*) FROM deleted WHERE is_set_again
        """,
        parameters,
    ).fetchone()
    assert row is not None  # one row, always
    return row[0]


def _start_collection(conn: Connection) -> None:
    conn.execute(
        "CREATE TEMP TABLE collected (entity text, id uuid, PRIMARY KEY (entity, id)) ON COMMIT DROP"
    )


def _collect(
    conn: Connection, tenant_id: UUID, condition: LiteralString, **parameters: object
) -> dict[str, int]:
    """Start a collection with the rows ``r`` that meet a condition. Table → rows."""
    _start_collection(conn)
    return {
        table: conn.execute(
            f"INSERT INTO pg_temp.collected SELECT '{table}', r.id FROM crm.{table} r"
            f" WHERE r.tenant_id = %(tenant)s AND {condition}",
            {"tenant": tenant_id, **parameters},
        ).rowcount
        for table in MODEL.counted
    }


def _find(conn: Connection, query: LiteralString, **parameters: object) -> list[FoundRow]:
    with conn.cursor(row_factory=class_row(FoundRow)) as cursor:
        return cursor.execute(query, parameters).fetchall()


def _unused_instant(conn: Connection, tenant_id: UUID) -> datetime:
    """The next instant, from now on, at which no row was deleted and all collected rows exist."""
    row = conn.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None  # one row, always
    instant: datetime = row[0]
    for table in MODEL.counted:
        latest = conn.execute(
            f"SELECT max(r.created_at) FROM crm.{table} r WHERE r.tenant_id = %s"
            f" AND r.id IN (SELECT c.id FROM pg_temp.collected c WHERE c.entity = '{table}')",
            [tenant_id],
        ).fetchone()
        if latest is not None and latest[0] is not None:
            instant = max(instant, latest[0])
    while any(_has_deleted(conn, tenant_id, instant, table) for table in MODEL.monthly):
        instant += _MICROSECOND
    return instant


def _has_deleted(conn: Connection, tenant_id: UUID, instant: datetime, table: LiteralString) -> bool:
    found = conn.execute(
        f"SELECT FROM crm.{table} WHERE tenant_id = %s AND deleted_at = %s LIMIT 1", [tenant_id, instant]
    )
    return found.fetchone() is not None
