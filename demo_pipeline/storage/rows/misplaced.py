"""Rows of a demo tenant's jobs that lie in another tenant: found, and deleted where they are.

A reference from every row to a job of its own tenant keeps them out; they come from a restore that went
wrong, or from somebody who switched the guards off. For administrators: no job reaches into two tenants.
What is deleted is written into the audit log, whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, LiteralString
from uuid import UUID

import psycopg

from demo_pipeline.domain.model import MODEL
from demo_pipeline.storage.ledger import job_ledger

Connection = psycopg.Connection[Any]

#: of the audit log
DELETED: Final = "MISPLACED_ROWS_DELETED"
#: children before parents
_TABLES: Final = tuple(reversed(MODEL.counted))
_ELSEWHERE: Final[LiteralString] = "r.demo_generated AND l.id = r.demo_job_id AND l.tenant_id <> r.tenant_id"


@dataclass(frozen=True, kw_only=True)
class Misplaced:
    """Rows of one table in one other tenant."""

    #: the tenant whose job made them
    owner_id: UUID
    #: of the tenant that they lie in
    tenant_id: UUID
    slug: str
    table: str
    ids: tuple[UUID, ...]


def find(conn: Connection) -> tuple[Misplaced, ...]:
    """Rows of any demo tenant's jobs in any other tenant, deleted ones included.

    One pass over the tables of all tenants, whatever the number of demos.
    """
    found: list[Misplaced] = []
    for table in _TABLES:
        rows = conn.execute(
            f"""
            SELECT l.tenant_id, r.tenant_id, coalesce(min(t.slug), ''), array_agg(r.id)
            FROM demo.job_ledger l, crm.{table} r LEFT JOIN crm.tenants t ON t.id = r.tenant_id
            WHERE {_ELSEWHERE} GROUP BY 1, 2 ORDER BY 1, 2
            """
        )
        found += [
            Misplaced(owner_id=owner_id, tenant_id=other_id, slug=slug, table=table, ids=tuple(ids))
            for owner_id, other_id, slug, ids in rows
        ]
    return tuple(found)


def delete(conn: Connection, owner_id: UUID, slug: str, requested_by: str | None) -> int:
    """Delete those of one demo tenant, with their contents in the audit log; how many there were.

    Within one transaction. Raises ``ForeignKeyViolation`` where other rows of that tenant refer to them.
    """
    count = 0
    for table in _TABLES:
        deleted = conn.execute(
            f"DELETE FROM crm.{table} r USING demo.job_ledger l WHERE {_ELSEWHERE} AND l.tenant_id = %s"
            " RETURNING r.tenant_id, to_jsonb(r)",
            [owner_id],
        )
        rows: dict[UUID, list[Any]] = {}
        for other_id, row in deleted:
            rows.setdefault(other_id, []).append(row)
            count += 1
        for other_id, of_one in rows.items():
            detail = {"table": table, "of": slug, "requested_by": requested_by, "rows": of_one}
            job_ledger.audit(conn, DELETED, tenant_id=other_id, detail=detail)
    return count
