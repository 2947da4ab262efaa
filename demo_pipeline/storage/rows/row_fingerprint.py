"""Whether rows of tenants have changed since an instant, at the price of one pass on the server.

The fingerprint covers the version of every row, hidden ones included: its id, and the transaction that wrote
it (``xmin``). So any edit, insertion and deletion changes it, whatever column it is about, and no column is
read. Rows that jobs have added since the instant are left out, since their own jobs verified them, unless
people edited them; the ledger says how many they are, so that one that is deleted is missed. After a restore
into another server it is another one, too. What a tenant sees has a digest.
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
    """Tenant → a number that stays the same as long as only jobs completed after ``since`` add or hide rows.

    Jobs may hide rows that were added since, no others. For administrators.
    """
    made = [*MODEL.counted, _TAGS]
    parameters = {"tenants": list(since), "since": list(since.values()), "made": made}
    return dict(conn.execute(_STATEMENT, parameters).fetchall())


def _table_sums(seed: int, table: Table) -> LiteralString:
    """The sum of each tenant's rows, and how many rows of later jobs there are.

    The same id in two tables counts as two.
    """
    tenant: LiteralString = "r.id" if table.is_tenant else "r.tenant_id"
    source: LiteralString = f"crm.{table.name} r"
    covered: LiteralString = "true"
    of_later: LiteralString = "false"
    if table.is_counted:
        of_later = f"r.demo_job_id IN ({_IN_FORCE})"
        covered = (
            "(r.demo_job_id IS NULL OR r.demo_job_id NOT IN (SELECT l.id FROM later l) OR EXISTS ("
            "SELECT FROM demo.edited_rows e"
            " WHERE e.tenant_id = r.tenant_id AND e.job_id = r.demo_job_id AND e.id = r.id))"
        )
    elif table.name == _TAGS:
        # Without provenance and without a record of edits. Those that came with a contact were written in its
        # transaction, and are hidden in one with it.
        source += " LEFT JOIN crm.contacts p ON p.tenant_id = r.tenant_id AND p.id = r.contact_id"
        of_later = f"p.demo_job_id IN ({_IN_FORCE}) AND p.xmin = r.xmin"
        covered = (
            "(p.demo_job_id IS NULL OR p.demo_job_id NOT IN (SELECT l.id FROM later l) OR p.xmin <> r.xmin)"
        )
    return (
        f"SELECT {tenant} AS tenant_id, count(*) FILTER (WHERE {of_later}) AS count,"
        f" sum(hash_record_extended(row(r.id, r.xmin), {_SEEDS[seed]})) FILTER (WHERE {covered}) AS part"
        f" FROM {source} WHERE {tenant} IN (SELECT a.tenant_id FROM asked a) GROUP BY 1"
    )


#: whose rows come with a contact
_TAGS: Final = "contact_tags"
#: a rewind deletes rows of the jobs that it undoes
_IN_FORCE: Final[LiteralString] = "SELECT l.id FROM later l WHERE l.undone_by IS NULL"
_SEEDS: Final[tuple[LiteralString, ...]] = ("0", "1", "2", "3", "4", "5", "6", "7", "8")
_PARTS: Final[LiteralString] = " UNION ALL ".join(
    _table_sums(seed, table) for seed, table in enumerate(MODEL)
)
#: The last term is zero as long as all rows are there that later jobs made.
_STATEMENT: Final[LiteralString] = f"""
WITH asked AS (
    SELECT a.tenant_id, a.since
    FROM unnest(%(tenants)s::uuid[], %(since)s::timestamptz[]) AS a (tenant_id, since)
), later AS MATERIALIZED (
    SELECT l.id, l.tenant_id, l.undone_by, l.metrics
    FROM demo.job_ledger l JOIN asked a ON a.tenant_id = l.tenant_id
    WHERE l.status = 'completed' AND l.completed_at > a.since
), made AS (
    SELECT l.tenant_id, sum(demo.row_count(l.metrics #> array['created', t.name])) AS count
    FROM later l CROSS JOIN unnest(%(made)s::text[]) AS t (name)
    WHERE l.undone_by IS NULL GROUP BY l.tenant_id
), parts AS (
    {_PARTS}
), found AS (
    SELECT p.tenant_id, sum(p.part) AS part, sum(p.count) AS count FROM parts p GROUP BY p.tenant_id
)
SELECT a.tenant_id,
    coalesce(f.part, 0)
    + (coalesce(m.count, 0) - coalesce(f.count, 0)) * hash_record_extended(row(a.tenant_id), 0)
FROM asked a LEFT JOIN found f ON f.tenant_id = a.tenant_id LEFT JOIN made m ON m.tenant_id = a.tenant_id
"""
