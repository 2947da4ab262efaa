"""Rows that depend on what a rewind put back; for administrators."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from demo_pipeline.domain.model import MODEL
from demo_pipeline.storage.rows.soft_delete import FoundRow


def people_depending(conn: Connection[Any], tenant_id: UUID, job_id: UUID) -> list[FoundRow]:
    """Living rows that refer to a row which a rewind put back, and that it left alone itself.

    Of a row that it inserted all of them: nothing could refer to it before. Of one that had been soft-deleted
    those that were made or edited since the rewind began: others referred to the deleted row, too.
    """
    found: dict[UUID, FoundRow] = {}
    for one in MODEL.counted_references:
        with conn.cursor(row_factory=class_row(FoundRow)) as cursor:
            rows = cursor.execute(
                f"""
                SELECT '{one.child}' AS entity, r.id, r.demo_job_id AS job_id, r.created_at
                FROM crm.{one.child} r
                WHERE r.tenant_id = %(tenant)s AND r.deleted_at IS NULL
                    AND r.{one.column} IN (
                        SELECT x.id FROM demo.rewind_rows x
                        WHERE x.checkpoint_id = %(job)s AND x.entity = '{one.parent}'
                            AND (x.action = 'inserted' OR x.action = 'changed'
                                AND greatest(r.created_at, r.updated_at) >= (
                                    SELECT l.started_at FROM demo.job_ledger l WHERE l.id = %(job)s)
                                AND EXISTS (
                                    SELECT FROM demo.checkpoint_{one.parent} s
                                    WHERE s.checkpoint_id = x.checkpoint_id AND s.id = x.id
                                        AND s.deleted_at IS NOT NULL)))
                    AND NOT EXISTS (
                        SELECT FROM demo.rewind_rows x
                        WHERE x.checkpoint_id = %(job)s AND x.entity = '{one.child}' AND x.id = r.id)
                """,
                {"tenant": tenant_id, "job": job_id},
            ).fetchall()
        found |= {row.id: row for row in rows}
    return list(found.values())
