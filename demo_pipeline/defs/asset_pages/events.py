"""Events on the asset pages: materialisations of partitions and verdicts on them, from services' results.

An asset output would mark every partition of a run. Here each tenant's partitions are marked right after
their commit, so that a tenant that failed in the same run stays unmaterialised.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import dagster as dg

from demo_pipeline.defs.asset_pages import specs
from demo_pipeline.defs.asset_pages.checks import check_events, gate_failed, gate_passed, targets
from demo_pipeline.defs.asset_pages.kpi_tables import (
    KpiMonth,
    change_markdown,
    found_markdown,
    kpi_markdown,
    kpi_table,
)
from demo_pipeline.defs.shared.partitions import partition_key
from demo_pipeline.defs.shared.tenant_loads import Loaded, Refused
from demo_pipeline.domain.core.figures import METRICS, Figures, FiguresByMonth, figure_amount
from demo_pipeline.domain.core.months import Month
from demo_pipeline.rendering.kpi_columns import FigureRow
from demo_pipeline.rendering.sparks import trend_markdown
from demo_pipeline.services.tenants.queries import KpiTable
from demo_pipeline.services.tenants.verify import Inspection

#: month → figures of the job that changed it; ``expected`` is the job's target
Changes: TypeAlias = "Mapping[Month, KpiMonth]"
#: table → KPIs of its rows, the number of rows first
KPIS_OF_TABLE: Final[Mapping[str, Sequence[str]]] = {
    table: sorted(
        (name for name, metric in METRICS.items() if metric.table == table),
        key=lambda name: name != f"{table}_created",
    )
    for table in specs.TABLES
}


def table_events(
    loaded: Loaded, now: FiguresByMonth, changes: Changes | None = None
) -> Iterator[dg.AssetMaterialization]:
    """Materialisations of the four tables for the committed months, with the row counts of ``now``.

    ``changes``: the figures of a job that changed these months, to be shown as a table.
    """
    for month in loaded.request.months:
        rows, added = now.at(month), loaded.result(month).made
        for table in specs.TABLES:
            yield dg.AssetMaterialization(
                table,
                partition=partition_key(loaded.request.tenant, month),
                metadata={
                    "dagster/partition_row_count": rows[f"{table}_created"],
                    "rows_added": added[f"{table}_created"],
                    **_jobs(loaded),
                    **_change(changes, month, KPIS_OF_TABLE[table]),
                },
            )


def verdict_events(
    instance: dg.DagsterInstance, loaded: Loaded, now: Inspection, changes: Changes | None = None
) -> Iterator[dg.AssetCheckEvaluation | dg.AssetMaterialization]:
    """Materialisations of the KPIs of the committed months, then the verdicts on each month."""
    slug, months = loaded.request.tenant, loaded.request.months
    for month in months:
        shown = _kpi_month(loaded, now, month)
        yield dg.AssetMaterialization(
            specs.KPI_SNAPSHOT,
            partition=partition_key(slug, month),
            metadata={
                "kpis": dg.MetadataValue.md(kpi_markdown(shown)),
                **_change(changes, month, METRICS),
                "trend": dg.MetadataValue.md(trend_markdown(now.figures, month, now.currency)),
                **_plotted(shown),
                "kpi_table": kpi_table(shown),
                "read_at": dg.MetadataValue.timestamp(now.read_at),
                **_jobs(loaded),
            },
        )
    judged = targets(instance, slug, months)
    yield from gate_passed(slug, months, judged)
    yield from check_events(now, months, judged)


def refusal_events(
    instance: dg.DagsterInstance, refused: Refused, kpis: KpiTable | None, now: Inspection | None
) -> Iterator[dg.AssetCheckEvaluation]:
    """A failed verdict on every month that stays unmaterialised, and those on what is there.

    ``kpis`` and ``now`` are read after the roll-back; None: the tenant cannot be read.
    """
    error, slug, months = refused.error, refused.request.tenant, refused.request.months
    found = [] if kpis is None else _found(error.details.get("mismatches", ()), kpis)
    judged = targets(instance, slug, months)
    for month in months:
        metadata: dict[str, Any] = {"error": error.code, "exit_code": error.exit_code}
        # The mismatches of this month, or else the first ones of the tenant.
        rows = [one for one in found if one.month == str(month)] or found[:8]
        if kpis is not None and rows:
            table = found_markdown(kpis.currency, rows)
            metadata["kpis_found"] = dg.MetadataValue.md(table)
        yield gate_failed(slug, month, judged, f"nothing was committed: {error.message}", metadata)
    if now is not None:
        yield from check_events(now, months, judged)


def _jobs(loaded: Loaded) -> dict[str, str]:
    """The job of the request, and the job that made the blueprint's missing rows before it."""
    own, first = loaded.report.job_id, loaded.report.first_job_id
    return {"job_id": str(own), **({} if first is None else {"blueprint_job_id": str(first)})}


def _change(changes: Changes | None, month: Month, metrics: Collection[str]) -> dict[str, Any]:
    if changes is None or month not in changes:
        return {}
    return {"change": dg.MetadataValue.md(change_markdown(changes[month], metrics))}


def _plotted(month: KpiMonth) -> dict[str, int | float]:
    """The KPIs as numbers, which Dagster's page plots; amounts in major units."""
    amounts = {name: figure_amount(name, month.after[name], month.currency) for name in METRICS}
    return {name: amount if isinstance(amount, int) else float(amount) for name, amount in amounts.items()}


def _kpi_month(loaded: Loaded, now: Inspection, month: Month) -> KpiMonth:
    return KpiMonth(
        currency=now.currency,
        expected=now.expected.at(month),
        before=loaded.result(month).before_request,
        after=now.figures.at(month),
    )


def _found(mismatches: Iterable[Mapping[str, Any]], now: KpiTable) -> list[FigureRow]:
    """The mismatches of a failed verification; ``now``: the figures after the roll-back."""

    def figure(row: Mapping[str, Any], side: str) -> int:
        metric: str = row["metric"]
        return Figures.from_json({metric: row[side]}, now.currency)[metric]

    return [
        FigureRow(
            month=row["month"],
            metric=row["metric"],
            currency=now.currency,
            figures={
                "expected": figure(row, "expected"),
                "found": figure(row, "actual"),
                "now": now.months.at(Month.parse(row["month"]))[row["metric"]],
            },
        )
        for row in mismatches
    ]
