"""Whether rows of tenants have changed since an instant, at the price of one pass on the server.

The fingerprint covers the version of every row, hidden ones included: its id, and the transaction that wrote
it (``xmin``). So any edit, insertion and deletion changes it, whatever column it is about, and no column is
read. Rows that jobs have added since the instant are left out, since their own jobs verified them. After a
restore into another server it is another one, too. What a tenant sees has a digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg import Connection

from demo_pipeline.domain.model import MODEL, Table


def row_fingerprints(conn: Connection[Any], since: Mapping[UUID, datetime]) -> dict[UUID, Decimal]:
    """Tenant → a number that stays the same as long as only jobs completed after ``since`` add rows.

    For administrators.
    """
    parameters = {"tenants": list(since), "since": list(since.values())}
    return dict(conn.execute(_STATEMENT, parameters).fetchall())


def _table_sums(seed: int, table: Table) -> LiteralString:
    """The sum of each tenant's rows; the same id in two tables counts as two."""
    tenant: LiteralString = "r.id" if table.is_tenant else "r.tenant_id"
    source: LiteralString = f"crm.{table.name} r"
    job: LiteralString = "r.demo_job_id" if table.is_counted else ""
    if table.name == "contact_tags":
        # Without provenance: those that came with a contact are as new as it is.
        source += " LEFT JOIN crm.contacts p ON p.tenant_id = r.tenant_id AND p.id = r.contact_id"
        job = "p.demo_job_id"
    condition: LiteralString = (
        f" AND ({job} IS NULL OR {job} NOT IN (SELECT l.id FROM later l))" if job else ""
    )
    return (
        f"SELECT {tenant} AS tenant_id, sum(hash_record_extended(row(r.id, r.xmin), {_SEEDS[seed]})) AS part"
        f" FROM {source} WHERE {tenant} IN (SELECT a.tenant_id FROM asked a){condition} GROUP BY 1"
    )


_SEEDS: Final[tuple[LiteralString, ...]] = ("0", "1", "2", "3", "4", "5", "6", "7", "8")
_PARTS: Final[LiteralString] = " UNION ALL ".join(
    _table_sums(seed, table) for seed, table in enumerate(MODEL)
)
_STATEMENT: Final[LiteralString] = f"""
WITH asked AS (
    SELECT a.tenant_id, a.since
    FROM unnest(%(tenants)s::uuid[], %(since)s::timestamptz[]) AS a (tenant_id, since)
), later AS MATERIALIZED (
    SELECT l.id FROM demo.job_ledger l JOIN asked a ON a.tenant_id = l.tenant_id
    WHERE l.status = 'completed' AND l.completed_at > a.since
), parts AS (
    {_PARTS}
)
SELECT a.tenant_id, coalesce(sum(p.part), 0) FROM asked a LEFT JOIN parts p ON p.tenant_id = a.tenant_id
GROUP BY a.tenant_id
"""
