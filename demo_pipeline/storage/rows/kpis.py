"""The eight KPIs in SQL: the only place where they are computed.

Snapshot, verification, checks, reports and the view ``demo.kpi_monthly`` all run :data:`KPI_SQL`. Months
are cut at 00:00 UTC whatever the session's time zone; sums are ``numeric``, never floating point.
What a figure should be does not belong here.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg import Connection, sql
from psycopg.rows import dict_row

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.figures import METRICS, VALUE_METRICS, Figures, FiguresByMonth
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.model import MODEL

#: One row per tenant and month that has rows; the view in the migration has this very text, frozen.
#: A deal without a stage is open. Each arm groups before the union, so that a condition on
#: ``tenant_id`` reaches the covering indexes; ``/* scope */`` takes further conditions on rows.
KPI_SQL: Final[LiteralString] = """\
select
    f.tenant_id,
    to_char(f.month_start, 'YYYY-MM') as month,
    sum(f.leads_created)::bigint as leads_created,
    sum(f.contacts_created)::bigint as contacts_created,
    sum(f.companies_created)::bigint as companies_created,
    sum(f.deals_created)::bigint as deals_created,
    sum(f.closed_won_count)::bigint as closed_won_count,
    round(sum(f.closed_won_value), 2) as closed_won_value,
    round(sum(f.pipeline_added_value), 2) as pipeline_added_value,
    sum(f.activities_created)::bigint as activities_created
from (
    select
        r.tenant_id, date_trunc('month', r.created_at at time zone 'UTC') as month_start,
        count(*) filter (where r.status = 'lead') as leads_created, count(*) as contacts_created,
        0::bigint as companies_created, 0::bigint as deals_created, 0::bigint as closed_won_count,
        0::numeric as closed_won_value, 0::numeric as pipeline_added_value, 0::bigint as activities_created
    from crm.contacts r
    where r.deleted_at is null /* scope */
    group by 1, 2
    union all
    select r.tenant_id, date_trunc('month', r.created_at at time zone 'UTC'), 0, 0, count(*), 0, 0, 0, 0, 0
    from crm.companies r
    where r.deleted_at is null /* scope */
    group by 1, 2
    union all
    select
        r.tenant_id, date_trunc('month', r.created_at at time zone 'UTC'), 0, 0, 0, count(*),
        count(*) filter (where s.is_won),
        coalesce(sum(r.value) filter (where s.is_won), 0),
        coalesce(sum(r.value) filter (where s.is_lost is not true), 0),
        0
    from crm.deals r
    left join crm.pipeline_stages s on s.tenant_id = r.tenant_id and s.id = r.stage_id
    where r.deleted_at is null /* scope */
    group by 1, 2
    union all
    select r.tenant_id, date_trunc('month', r.created_at at time zone 'UTC'), 0, 0, 0, 0, 0, 0, 0, count(*)
    from crm.activities r
    where r.deleted_at is null /* scope */
    group by 1, 2
) f
group by f.tenant_id, f.month_start
"""

_TENANT: Final[LiteralString] = "and r.tenant_id = %(tenant_id)s"
_COLLECTED: Final[LiteralString] = "and r.id in (select c.id from pg_temp.collected c)"
_JOB: Final[LiteralString] = "and r.demo_job_id = %(job_id)s"
_JOBS: Final[LiteralString] = "and r.demo_job_id = any(%(job_ids)s)"
_RANGE: Final[LiteralString] = "and r.created_at >= %(start)s and r.created_at < %(end)s"


def month_figures(
    conn: Connection[Any], tenant_id: UUID, first: Month, last: Month, currency: Currency
) -> FiguresByMonth:
    """Figures of every month from ``first`` to ``last``, months without rows included as zeros.

    Values come in minor units of ``currency``. The connection sees what its role may see: under the loader's
    policies that is the claimed tenant.
    """
    found = _query(
        conn,
        f"{_TENANT} {_RANGE}",
        {"tenant_id": tenant_id, "start": first.start, "end": last.end},
        currency,
    )
    return found.over(first.until(last))


def all_figures(conn: Connection[Any], tenant_id: UUID, currency: Currency) -> FiguresByMonth:
    """Figures of every month that has rows, in order of time; values in minor units."""
    return _query(conn, _TENANT, {"tenant_id": tenant_id}, currency)


def collected_figures(
    conn: Connection[Any], tenant_id: UUID, currency: Currency, job_id: UUID | None = None
) -> FiguresByMonth:
    """Figures of the living rows that ``storage.rows.soft_delete`` has collected; of one job, if given."""
    scope: LiteralString = f"{_TENANT} {_COLLECTED}" if job_id is None else f"{_TENANT} {_COLLECTED} {_JOB}"
    return _query(conn, scope, {"tenant_id": tenant_id, "job_id": job_id}, currency)


def job_figures(
    conn: Connection[Any], tenant_id: UUID, currency: Currency, job_ids: Sequence[UUID]
) -> FiguresByMonth:
    """Figures of the living rows that some jobs made."""
    scope: LiteralString = f"{_TENANT} {_JOBS}"
    return _query(conn, scope, {"tenant_id": tenant_id, "job_ids": list(job_ids)}, currency)


def row_counts(conn: Connection[Any], tenant_id: UUID) -> tuple[dict[str, int], dict[str, int]]:
    """Visible and hidden rows of a tenant in the tables with provenance, by table; for administrators."""
    visible: dict[str, int] = {}
    hidden: dict[str, int] = {}
    for table in MODEL.counted:
        row = conn.execute(
            "select count(*) filter (where deleted_at is null), count(deleted_at)"
            f" from crm.{table} where tenant_id = %s",
            [tenant_id],
        ).fetchone()
        visible[table], hidden[table] = row or (0, 0)
    return visible, hidden


def _query(
    conn: Connection[Any], scope: LiteralString, parameters: dict[str, Any], currency: Currency
) -> FiguresByMonth:
    statement = sql.SQL(KPI_SQL.replace("/* scope */", scope) + "order by month")
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(statement, parameters).fetchall()
    return FiguresByMonth((Month.parse(row["month"]), _figures(row, currency)) for row in rows)


def _figures(row: dict[str, Any], currency: Currency) -> Figures:
    # People may enter more decimals than the currency has. Half up moves evenly with what is added, so
    # that a delta between two snapshots stays exact.
    return Figures(
        **{
            name: currency.minor(row[name], ROUND_HALF_UP) if name in VALUE_METRICS else int(row[name])
            for name in METRICS
        }
    )
