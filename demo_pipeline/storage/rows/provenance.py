"""Rows of a tenant without provenance: counted, read, and given what was found out about them.

Within a job's transaction where rows are written. Only provenance is: what a tenant can see stays as it is.
The name of a table in this module's SQL comes from its constants, never from input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import class_row

Connection = psycopg.Connection[Any]

_COMPANY: Final[LiteralString] = (
    " LEFT JOIN crm.companies p ON p.tenant_id = r.tenant_id AND p.id = r.company_id"
)
_CONTACT: Final[LiteralString] = (
    " LEFT JOIN crm.contacts c ON c.tenant_id = r.tenant_id AND c.id = r.contact_id"
)
_DEAL: Final[LiteralString] = " LEFT JOIN crm.deals d ON d.tenant_id = r.tenant_id AND d.id = r.deal_id"
#: table → facts that people seldom change, the row's parents, facts of row and parents: no row comes before
#: its parent
_FACTS: Final[dict[LiteralString, tuple[LiteralString, LiteralString, LiteralString]]] = {
    "companies": ("r.created_at", "", "r.updated_at"),
    "contacts": ("r.created_at", _COMPANY, "r.updated_at, p.updated_at"),
    "deals": (
        "greatest(r.created_at, r.closed_at)",
        _CONTACT + _COMPANY,
        "r.closed_at, r.updated_at, c.updated_at, p.updated_at",
    ),
    "activities": (
        "greatest(r.created_at, r.completed_at)",
        _DEAL + _CONTACT + _COMPANY,
        "r.completed_at, r.updated_at, d.closed_at, d.updated_at, c.updated_at, p.updated_at",
    ),
}
TABLES: Final = tuple(_FACTS)
_WITHOUT: Final[LiteralString] = (
    "NOT r.demo_generated AND r.demo_job_id IS NULL AND r.demo_source_month IS NULL"
)
#: what the loader's policies ask of a row that it updates; people may have changed a row since
_SOUND: Final[LiteralString] = "(r.deleted_at IS NULL OR r.deleted_at >= r.created_at)"


@dataclass(frozen=True, kw_only=True)
class Bare:
    """A row without provenance, hidden ones included."""

    id: UUID
    #: no job made it that took place before
    known_at: datetime
    #: the same, if nobody has changed the row or its parents since
    touched_at: datetime
    #: whether a job may write to it
    is_sound: bool


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """Rows of one table, hidden ones included."""

    with_provenance: int
    without: int


def coverage(conn: Connection, tenant_id: UUID) -> dict[str, Coverage]:
    """How many rows of each table say where they come from."""
    found: dict[str, Coverage] = {}
    for table in TABLES:
        row = conn.execute(
            sql.SQL(
                "SELECT count(*) FILTER (WHERE demo_generated), count(*) FROM crm.{} WHERE tenant_id = %s"
            ).format(sql.Identifier(table)),
            [tenant_id],
        ).fetchone()
        assert row is not None  # one row, always
        found[table] = Coverage(with_provenance=row[0], without=row[1] - row[0])
    return found


def bare_rows(conn: Connection, tenant_id: UUID, table: LiteralString) -> list[Bare]:
    """The rows of a table that say nothing at all of where they come from, by id."""
    known, parents, facts = _FACTS[table]
    query = sql.SQL(
        "SELECT r.id, {} AS known_at, greatest({}) AS touched_at, {} AS is_sound"
        " FROM crm.{} r{} WHERE r.tenant_id = %s AND {} ORDER BY r.id"
    ).format(*map(sql.SQL, (known, facts, _SOUND, table, parents, _WITHOUT)))
    with conn.cursor(row_factory=class_row(Bare)) as cursor:
        return cursor.execute(query, [tenant_id]).fetchall()


def fill(conn: Connection, tenant_id: UUID, table: str, ids: Sequence[UUID], jobs: Sequence[UUID]) -> int:
    """Give rows their job and the month that they lie in (UTC); rows that have some keep theirs."""
    return conn.execute(
        sql.SQL(
            "UPDATE crm.{} r SET demo_generated = true, demo_job_id = t.job,"
            " demo_source_month = to_char(r.created_at AT TIME ZONE 'UTC', 'YYYY-MM')"
            " FROM unnest(%s::uuid[], %s::uuid[]) AS t (id, job)"
            " WHERE r.tenant_id = %s AND r.id = t.id AND {}"
        ).format(sql.Identifier(table), sql.SQL(_WITHOUT)),
        [list(ids), list(jobs), tenant_id],
    ).rowcount
