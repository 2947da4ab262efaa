"""Events on the asset pages for a patch or an undo, from its report and a snapshot of the tenant.

All five assets of every month that the job touched are materialised again, with a table of the change. A
month that the job completed on its way, and that no page shows yet, is shown with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import dagster as dg

from demo_pipeline.defs.asset_pages.events import table_events, verdict_events
from demo_pipeline.defs.asset_pages.kpi_tables import KpiMonth, change_markdown
from demo_pipeline.defs.asset_pages.specs import KPI_SNAPSHOT
from demo_pipeline.defs.shared.partitions import partition_key
from demo_pipeline.defs.shared.tenant_loads import Loaded, LoadRequest
from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.services.jobs.report import JobReport, MonthResult
from demo_pipeline.services.tenants.verify import Inspection

_KPI_KEY = dg.AssetKey(KPI_SNAPSHOT)
#: materialisations of a partition that are looked at for those of a job
_MOST_LOOKED_AT = 50


def is_shown(instance: dg.DagsterInstance, report: JobReport) -> bool:
    """Whether the pages show the job already, or it has nothing to show."""
    if not report.months:
        return True
    # The event of the last month is the last one.
    key = partition_key(report.tenant, report.months[-1].month)
    found = instance.fetch_materializations(
        dg.AssetRecordsFilter(_KPI_KEY, asset_partitions=[key]), limit=_MOST_LOOKED_AT
    )
    shown = (record.asset_materialization for record in found.records)
    return any(
        one is not None and "job_id" in one.metadata and one.metadata["job_id"].value == str(report.job_id)
        for one in shown
    )


def shown_events(
    instance: dg.DagsterInstance, report: JobReport, now: Inspection
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
    """The events of a completed job."""
    months = sorted([*report.months, *_made_beside(instance, report, now)], key=lambda result: result.month)
    loaded = Loaded(
        request=LoadRequest(tenant=report.tenant, months=tuple(result.month for result in months)),
        report=replace(report, months=tuple(months)),
    )
    changes = {result.month: _change(result, now) for result in report.months}
    yield from table_events(loaded, now.figures, changes)
    yield from verdict_events(instance, loaded, now, changes)


def report_markdown(report: JobReport) -> str:
    """The change of every month, one table below the other."""
    return "\n\n".join(
        f"**{result.month}**\n\n{change_markdown(_job_month(result, report.currency))}"
        for result in report.months
    )


def _made_beside(instance: dg.DagsterInstance, report: JobReport, now: Inspection) -> Iterator[MonthResult]:
    """Months that the request's first job changed, and months up to its last that no page shows.

    Where the report does not say what was there before, it is what is there beyond what jobs have made.
    """
    if not report.months:
        return
    own = {result.month for result in report.months}
    shown = instance.get_materialized_partitions(_KPI_KEY)
    for month, expected in now.expected.items():
        is_known = month > max(own) or partition_key(report.tenant, month) in shown
        if month in own or (is_known and month not in report.other_months):
            continue
        after = now.figures.at(month)
        before = report.other_months.get(month, after - expected)
        yield MonthResult(month=month, expected=expected, before=before, target=after, after=after)


def _change(result: MonthResult, now: Inspection) -> KpiMonth:
    return _job_month(result, now.currency)


def _job_month(result: MonthResult, currency: Currency) -> KpiMonth:
    return KpiMonth(
        currency=currency,
        expected=result.target,
        before=result.before,
        after=result.after,
    )
