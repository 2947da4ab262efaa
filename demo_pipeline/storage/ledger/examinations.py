"""Examinations of tenants in the ledger: the latest one of each. Nothing here commits. For administrators.

What is examined, and what follows from it, does not belong here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb


@dataclass(frozen=True, kw_only=True)
class Examination:
    """A row of ``demo.examinations``."""

    tenant_id: UUID
    examined_at: datetime
    examined_by: str
    #: ``row_fingerprint`` of all rows that were there
    fingerprint: Decimal
    #: why the tenant was not ready, JSON-ready; empty: it was
    reasons: Sequence[Mapping[str, Any]]
    notes: Sequence[str]
    #: the last checkpoint, which the rows were compared with; None: there was none
    checkpoint_id: UUID | None


@dataclass(frozen=True, kw_only=True)
class ExaminationTime:
    """When a living demo tenant was examined last."""

    slug: str
    #: of the tenant, as the CRM has it
    timezone: str | None
    #: None: never
    examined_at: datetime | None


def examination_times(conn: Connection[Any]) -> list[ExaminationTime]:
    """All living demo tenants, by slug."""
    with conn.cursor(row_factory=class_row(ExaminationTime)) as cursor:
        return cursor.execute(
            "select m.slug, t.timezone, e.examined_at from demo.tenant_metadata m"
            " join crm.tenants t on t.id = m.tenant_id"
            " left join demo.examinations e on e.tenant_id = m.tenant_id"
            ' where m.deleted_at is null order by m.slug collate "C"'
        ).fetchall()


def latest_examinations(conn: Connection[Any]) -> dict[UUID, Examination]:
    """The latest examination of each living demo tenant that has one."""
    with conn.cursor(row_factory=class_row(Examination)) as cursor:
        rows = cursor.execute(
            "select e.tenant_id, e.examined_at, e.examined_by, e.fingerprint, e.reasons, e.notes,"
            " e.checkpoint_id"
            " from demo.examinations e join demo.tenant_metadata m on m.tenant_id = e.tenant_id"
            " where m.deleted_at is null"
        ).fetchall()
    return {row.tenant_id: row for row in rows}


def record_examination(conn: Connection[Any], found: Examination) -> None:
    """Replace the tenant's examination, unless that is a later one."""
    conn.execute(
        """
        insert into demo.examinations as e (
            tenant_id, examined_at, examined_by, fingerprint, reasons, notes, checkpoint_id)
        values (%s, %s, %s, %s, %s, %s, %s)
        on conflict (tenant_id) do update set
            examined_at = excluded.examined_at, examined_by = excluded.examined_by,
            fingerprint = excluded.fingerprint, reasons = excluded.reasons, notes = excluded.notes,
            checkpoint_id = excluded.checkpoint_id
        where e.examined_at <= excluded.examined_at
        """,
        [
            found.tenant_id,
            found.examined_at,
            found.examined_by,
            found.fingerprint,
            Jsonb([dict(one) for one in found.reasons]),
            Jsonb(list(found.notes)),
            found.checkpoint_id,
        ],
    )
