"""Rows that a job takes back, or brings back: soft deletion and its reverse, nothing else.

The rows in question are collected in a temporary table first; then they are looked at, hidden or shown, all
by their ids. Only ``deleted_at`` changes, so that what comes back is byte for byte what was hidden. Within a
job's transaction; for a look ahead within any other one, which then rolls back.

The name of a table or column in this module's SQL comes from its constants, never from input.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from demo_pipeline.domain.core.months import Month
from demo_pipeline.storage.rows.edits import RECORDED

Connection = psycopg.Connection[Any]

#: child, its reference, parent: in the order in which one pass finds all that hangs on a row
_REFERENCES: Final[tuple[tuple[LiteralString, LiteralString, LiteralString], ...]] = (
    ("contacts", "company_id", "companies"),
    ("deals", "company_id", "companies"),
    ("deals", "contact_id", "contacts"),
    ("activities", "company_id", "companies"),
    ("activities", "contact_id", "contacts"),
    ("activities", "deal_id", "deals"),
)
_TABLES: Final[tuple[LiteralString, ...]] = ("companies", "contacts", "deals", "activities")
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class Hanging:
    """A living row that refers to one that is to go, or the other way round."""

    entity: str
    id: UUID
    #: whose row it is; None: a person's
    job_id: UUID | None
    created_at: datetime


def collect_job(conn: Connection, tenant_id: UUID, job_id: UUID) -> dict[str, int]:
    """Collect the living rows of a job. Table → rows."""
    _make(conn)
    return {
        table: conn.execute(
            sql.SQL(
                "INSERT INTO pg_temp.taken SELECT {}, id FROM crm.{} WHERE tenant_id = %s"
                " AND demo_job_id = %s AND deleted_at IS NULL"
            ).format(sql.Literal(table), sql.Identifier(table)),
            [tenant_id, job_id],
        ).rowcount
        for table in _TABLES
    }


def collect_months(
    conn: Connection, tenant_id: UUID, months: Sequence[Month], jobs: Sequence[UUID]
) -> dict[str, int]:
    """Collect the living rows that some jobs made for some months. Table → rows."""
    _make(conn)
    return {
        table: conn.execute(
            sql.SQL(
                "INSERT INTO pg_temp.taken SELECT {}, id FROM crm.{} WHERE tenant_id = %s AND demo_generated"
                " AND demo_job_id = ANY(%s) AND demo_source_month = ANY(%s) AND deleted_at IS NULL"
            ).format(sql.Literal(table), sql.Identifier(table)),
            [tenant_id, list(jobs), [str(month) for month in months]],
        ).rowcount
        for table in _TABLES
    }


def count_purged(conn: Connection, tenant_id: UUID, job_id: UUID, made: Mapping[str, int]) -> int:
    """How many of the rows that a job ``made``, by table, are there no more, not even as deleted ones."""
    purged = 0
    for table in _TABLES:
        row = conn.execute(
            sql.SQL("SELECT count(*) FROM crm.{} WHERE tenant_id = %s AND demo_job_id = %s").format(
                sql.Identifier(table)
            ),
            [tenant_id, job_id],
        ).fetchone()
        purged += max(made.get(table, 0) - (row[0] if row else 0), 0)
    return purged


def collect_rows(conn: Connection, rows: Iterable[tuple[str, Sequence[UUID]]]) -> None:
    """Collect rows by table and id; a row may be named twice."""
    _make(conn)
    for table, ids in rows:
        conn.execute(
            "INSERT INTO pg_temp.taken SELECT %s, unnest(%s::uuid[]) ON CONFLICT DO NOTHING",
            [table, list(ids)],
        )


def collected(conn: Connection) -> dict[str, int]:
    """Table → collected rows."""
    counts = dict(conn.execute("SELECT entity, count(*) FROM pg_temp.taken GROUP BY entity").fetchall())
    return {table: counts[table] for table in (*_TABLES, "contact_tags") if table in counts}


def collected_among(conn: Connection, tenant_id: UUID, rows: Mapping[str, Collection[UUID]]) -> list[Hanging]:
    """The collected rows that are among ``rows``: table → ids."""
    found: list[Hanging] = []
    for table in _TABLES:
        with conn.cursor(row_factory=class_row(Hanging)) as cursor:
            found += cursor.execute(
                sql.SQL(
                    "SELECT {} AS entity, r.id, r.demo_job_id AS job_id, r.created_at FROM crm.{} r"
                    " JOIN pg_temp.taken t ON t.entity = {} AND t.id = r.id"
                    " WHERE r.tenant_id = %s AND r.id = ANY(%s) ORDER BY r.id"
                ).format(sql.Literal(table), sql.Identifier(table), sql.Literal(table)),
                [tenant_id, list(rows.get(table, ()))],
            ).fetchall()
    return found


def collected_jobs(conn: Connection, tenant_id: UUID) -> set[UUID]:
    """Whose rows were collected."""
    found: set[UUID] = set()
    for table in _TABLES:
        rows = conn.execute(
            sql.SQL(
                "SELECT DISTINCT r.demo_job_id FROM crm.{} r JOIN pg_temp.taken t ON t.id = r.id"
                " WHERE r.tenant_id = %s AND t.entity = {} AND r.demo_job_id IS NOT NULL"
            ).format(sql.Identifier(table), sql.Literal(table)),
            [tenant_id],
        )
        found |= {job_id for (job_id,) in rows}
    return found


def collect_hidden(conn: Connection, tenant_id: UUID, hidden_at: datetime) -> dict[str, int]:
    """Collect the rows that were hidden at an instant. Table → rows."""
    _make(conn)
    return {
        table: conn.execute(
            sql.SQL(
                "INSERT INTO pg_temp.taken SELECT {}, id FROM crm.{} WHERE tenant_id = %s AND deleted_at = %s"
            ).format(sql.Literal(table), sql.Identifier(table)),
            [tenant_id, hidden_at],
        ).rowcount
        for table in _TABLES
    }


def hanging(conn: Connection, tenant_id: UUID, *, collect: bool) -> list[Hanging]:
    """Living rows outside the collection that refer to a row in it, and so on.

    ``collect`` puts them into the collection, people's rows excepted; without it only what refers directly
    is found.
    """
    found: dict[UUID, Hanging] = {}
    for child, reference, parent in _REFERENCES:
        with conn.cursor(row_factory=class_row(Hanging)) as cursor:
            rows = cursor.execute(
                sql.SQL(
                    "SELECT {} AS entity, r.id, r.demo_job_id AS job_id, r.created_at FROM crm.{} r"
                    " WHERE r.tenant_id = %s AND r.deleted_at IS NULL"
                    " AND r.{} IN (SELECT t.id FROM pg_temp.taken t WHERE t.entity = {})"
                    " AND NOT EXISTS (SELECT FROM pg_temp.taken t WHERE t.entity = {} AND t.id = r.id)"
                ).format(
                    sql.Literal(child),
                    sql.Identifier(child),
                    sql.Identifier(reference),
                    sql.Literal(parent),
                    sql.Literal(child),
                ),
                [tenant_id],
            ).fetchall()
        found |= {row.id: row for row in rows}
        generated = [row.id for row in rows if row.job_id is not None]
        if collect and generated:
            conn.execute("INSERT INTO pg_temp.taken SELECT %s, unnest(%s::uuid[])", [child, generated])
    return list(found.values())


def hidden_parents(conn: Connection, tenant_id: UUID, since: datetime) -> list[Hanging]:
    """Rows outside the collection that were hidden after ``since`` and that a row in it refers to."""
    found: dict[UUID, Hanging] = {}
    for child, reference, parent in _REFERENCES:
        with conn.cursor(row_factory=class_row(Hanging)) as cursor:
            rows = cursor.execute(
                sql.SQL(
                    "SELECT {} AS entity, p.id, p.demo_job_id AS job_id, p.created_at"
                    " FROM pg_temp.taken t"
                    " JOIN crm.{} r ON r.tenant_id = %s AND r.id = t.id"
                    " JOIN crm.{} p ON p.tenant_id = r.tenant_id AND p.id = r.{}"
                    " WHERE t.entity = {} AND p.deleted_at > %s"
                    " AND NOT EXISTS (SELECT FROM pg_temp.taken o WHERE o.entity = {} AND o.id = p.id)"
                ).format(
                    sql.Literal(parent),
                    sql.Identifier(child),
                    sql.Identifier(parent),
                    sql.Identifier(reference),
                    sql.Literal(child),
                    sql.Literal(parent),
                ),
                [tenant_id, since],
            ).fetchall()
        found |= {row.id: row for row in rows}
    return list(found.values())


def changed_by_people(
    conn: Connection, tenant_id: UUID, job_id: UUID, since: datetime, hidden_at: Sequence[datetime]
) -> list[Hanging]:
    """Rows of a job that people changed, deleted or brought back after it was done.

    Recorded edits; those from before edits were recorded, by an ``updated_at`` after ``since``.
    ``hidden_at``: when undos hid rows, which was nobody's deletion.
    """
    found: list[Hanging] = []
    for table in _TABLES:
        with conn.cursor(row_factory=class_row(Hanging)) as cursor:
            found += cursor.execute(
                sql.SQL(
                    "SELECT {} AS entity, r.id, r.demo_job_id AS job_id, r.created_at FROM crm.{} r {}"
                    " WHERE r.tenant_id = %s AND r.demo_job_id = %s"
                    " AND (e.id IS NOT NULL OR r.updated_at > %s OR r.deleted_at IS NOT NULL"
                    " AND r.deleted_at <> ALL(%s::timestamptz[])) ORDER BY r.id"
                ).format(sql.Literal(table), sql.Identifier(table), sql.SQL(RECORDED)),
                [tenant_id, job_id, since, list(hidden_at)],
            ).fetchall()
    return found


def hide(conn: Connection, tenant_id: UUID) -> datetime:
    """Mark the collected rows, and their contacts' tags, as deleted; the instant, which is theirs alone."""
    hidden_at = _free_instant(conn, tenant_id)
    for table in _TABLES:
        conn.execute(
            sql.SQL(
                "UPDATE crm.{} SET deleted_at = %s WHERE tenant_id = %s AND deleted_at IS NULL"
                " AND id IN (SELECT t.id FROM pg_temp.taken t WHERE t.entity = {})"
            ).format(sql.Identifier(table), sql.Literal(table)),
            [hidden_at, tenant_id],
        )
    conn.execute(
        "UPDATE crm.contact_tags SET deleted_at = %s WHERE tenant_id = %s AND deleted_at IS NULL"
        " AND (contact_id IN (SELECT t.id FROM pg_temp.taken t WHERE t.entity = 'contacts')"
        " OR id IN (SELECT t.id FROM pg_temp.taken t WHERE t.entity = 'contact_tags'))",
        [hidden_at, tenant_id],
    )
    return hidden_at


def show(conn: Connection, tenant_id: UUID, hidden_at: datetime) -> int:
    """Bring back the rows that were hidden at an instant.

    A tag that a person has set again on its contact meanwhile stays hidden; how many of these there are.
    """
    for table in _TABLES:
        conn.execute(
            sql.SQL("UPDATE crm.{} SET deleted_at = NULL WHERE tenant_id = %s AND deleted_at = %s").format(
                sql.Identifier(table)
            ),
            [tenant_id, hidden_at],
        )
    row = conn.execute(
        "WITH hidden AS (SELECT r.id, EXISTS (SELECT FROM crm.contact_tags o WHERE o.tenant_id = r.tenant_id"
        " AND o.contact_id = r.contact_id AND o.tag_id = r.tag_id AND o.deleted_at IS NULL) AS is_set_again"
        " FROM crm.contact_tags r WHERE r.tenant_id = %(tenant)s AND r.deleted_at = %(hidden_at)s),"
        " shown AS (UPDATE crm.contact_tags r SET deleted_at = NULL FROM hidden"
        " WHERE r.tenant_id = %(tenant)s AND r.id = hidden.id AND NOT hidden.is_set_again)"
        " SELECT count(*) FROM hidden WHERE is_set_again",
        {"tenant": tenant_id, "hidden_at": hidden_at},
    ).fetchone()
    assert row is not None  # one row, always
    return row[0]


def leave_out_edited(
    conn: Connection, tenant_id: UUID, edited: Iterable[tuple[str, UUID]]
) -> dict[str, set[UUID]]:
    """Take edited rows out of the collection, and every collected row that one of them depends on.

    The collection holds all that depends on its rows (``hanging``). Table → rows that were taken out.
    """
    kept: dict[str, set[UUID]] = {table: set() for table in _TABLES}
    for table, row in edited:
        kept[table].add(row)
    for table, rows in kept.items():
        found = conn.execute(
            "SELECT id FROM pg_temp.taken WHERE entity = %s AND id = ANY(%s)", [table, list(rows)]
        ).fetchall()
        kept[table] = {row for (row,) in found}
    for child, reference, parent in reversed(_REFERENCES):
        if kept[child]:
            found = conn.execute(
                sql.SQL(
                    "SELECT DISTINCT t.id FROM crm.{} r JOIN pg_temp.taken t ON t.entity = {} AND t.id = r.{}"
                    " WHERE r.tenant_id = %s AND r.id = ANY(%s)"
                ).format(sql.Identifier(child), sql.Literal(parent), sql.Identifier(reference)),
                [tenant_id, list(kept[child])],
            ).fetchall()
            kept[parent] |= {row for (row,) in found}
    for table, rows in kept.items():
        conn.execute("DELETE FROM pg_temp.taken WHERE entity = %s AND id = ANY(%s)", [table, list(rows)])
    return kept


def discard(conn: Connection) -> None:
    """Drop the collection, so that another one can be made in the same transaction."""
    conn.execute("DROP TABLE pg_temp.taken")


def _make(conn: Connection) -> None:
    conn.execute("CREATE TEMP TABLE taken (entity text, id uuid, PRIMARY KEY (entity, id)) ON COMMIT DROP")


def _free_instant(conn: Connection, tenant_id: UUID) -> datetime:
    """Now, or as soon after as nothing of the tenant was deleted then, and all that is to go existed."""
    row = conn.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None  # one row, always
    instant: datetime = row[0]
    for table in _TABLES:
        latest = conn.execute(
            sql.SQL(
                "SELECT max(r.created_at) FROM crm.{} r WHERE r.tenant_id = %s"
                " AND r.id IN (SELECT t.id FROM pg_temp.taken t WHERE t.entity = {})"
            ).format(sql.Identifier(table), sql.Literal(table)),
            [tenant_id],
        ).fetchone()
        if latest is not None and latest[0] is not None:
            instant = max(instant, latest[0])
    while _is_taken(conn, tenant_id, instant, (*_TABLES, "contact_tags")):
        instant += _MICROSECOND
    return instant


def _is_taken(conn: Connection, tenant_id: UUID, instant: datetime, tables: Sequence[str]) -> bool:
    return any(
        conn.execute(
            sql.SQL("SELECT FROM crm.{} WHERE tenant_id = %s AND deleted_at = %s LIMIT 1").format(
                sql.Identifier(table)
            ),
            [tenant_id, instant],
        ).fetchone()
        is not None
        for table in tables
    )
