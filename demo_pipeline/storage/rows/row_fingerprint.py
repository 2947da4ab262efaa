"""Whether rows of a tenant have changed since an instant, at the price of one pass on the server.

The fingerprint covers every row and every column of the model, hidden rows and provenance included, so that
any edit, insertion and deletion changes it. Rows that jobs have added since the instant are left out: their
own jobs verified them. It depends on the server's version and is no digest: what a tenant sees has one of its
own.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, LiteralString
from uuid import UUID

from psycopg import Connection

from demo_pipeline.domain.model import MODEL, Table

#: The jobs that were completed since. Their rows are those that the tables name, and tags of their contacts.
_SINCE: LiteralString = (
    "WITH later AS MATERIALIZED (SELECT l.id FROM demo.job_ledger l WHERE l.tenant_id = %(tenant)s"
    " AND l.status = 'completed' AND l.completed_at > %(since)s)"
)


def row_fingerprint(conn: Connection[Any], tenant_id: UUID, since: datetime) -> Decimal:
    """A number that stays the same as long as nothing but rows of jobs completed after ``since`` is added.

    For administrators.
    """
    row = conn.execute(_STATEMENT, {"tenant": tenant_id, "since": since}).fetchone()
    assert row is not None  # an aggregate
    return row[0]


def _table_sum(seed: int, table: Table) -> str:
    """The sum of the rows' hashes; the same row in two tables has two hashes."""
    columns = ", ".join(f"r.{column.name}" for column in table.columns)
    key = "id" if table.is_tenant else "tenant_id"
    later = "r.demo_job_id" if table.is_counted else None
    source = f"crm.{table.name} r"
    if table.name == "contact_tags":
        source += " LEFT JOIN crm.contacts p ON p.tenant_id = r.tenant_id AND p.id = r.contact_id"
        later = "p.demo_job_id"
    condition = "" if later is None else f" AND ({later} IS NULL OR {later} NOT IN (SELECT id FROM later))"
    return (
        f"(SELECT coalesce(sum(hash_record_extended(row({columns}), {seed})), 0) FROM {source}"
        f" WHERE r.{key} = %(tenant)s{condition})"
    )


_STATEMENT = (
    f"{_SINCE} SELECT {' + '.join(_table_sum(seed, table) for seed, table in enumerate(MODEL))}".encode()
)
