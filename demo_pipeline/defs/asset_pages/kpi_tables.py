"""KPI tables on Dagster's asset pages: Markdown for people, tables with a schema for programs.

Markdown stays under 1,000 characters: the page folds longer texts. Nothing is read or judged here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import dagster as dg

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.figures import METRICS, Figures
from demo_pipeline.rendering.kpi_columns import (
    METRIC,
    MONTH,
    FigureRow,
    figure_column,
    figure_rows,
    label_column,
)
from demo_pipeline.rendering.table import Column, Table, markdown


@dataclass(frozen=True, kw_only=True)
class KpiMonth:
    """One tenant's month, values in minor units of its currency."""

    currency: Currency
    expected: Figures
    before: Figures
    after: Figures

    @property
    def drift(self) -> Figures:
        return self.after - self.expected


def kpi_markdown(month: KpiMonth) -> str:
    """Expected, after, drift and before of each metric, which is named in words."""
    columns: tuple[Column[FigureRow], ...] = (label_column(month.currency), *_KPI_COLUMNS)
    return markdown(Table(columns, _kpi_rows(month)))


def kpi_table(month: KpiMonth) -> dg.TableMetadataValue:
    """The same as a table with a schema, for programs."""
    columns = (METRIC, *_KPI_COLUMNS)
    schema = [dg.TableColumn(column.name, "string", column.description) for column in columns]
    rows = [dg.TableRecord({column.name: column.show(row) for column in columns}) for row in _kpi_rows(month)]
    return dg.MetadataValue.table(rows, dg.TableSchema(schema))


def change_markdown(job: KpiMonth, metrics: Collection[str] = METRICS) -> str:
    """What a job changed of the month; ``expected`` is its target, ``after`` what it reached.

    The target is shown only with all eight metrics: beside a table's long names there is no room for it.
    """
    states = {
        "before": job.before,
        "target": job.expected,
        "after": job.after,
        "change": job.after - job.before,
    }
    columns = [
        label_column(job.currency),
        figure_column("before"),
        figure_column("change", is_signed=True, is_strong=lambda row: row.figures["change"] != 0),
        figure_column("after"),
        *([figure_column("target")] if len(metrics) == len(METRICS) else []),
    ]
    return markdown(Table(columns, figure_rows("", job.currency, states, metrics)))


def found_markdown(currency: Currency, found: Sequence[FigureRow]) -> str:
    """Figures that the verification found before the roll-back, and the figures after it."""
    columns = (
        label_column(currency),
        MONTH,
        figure_column("expected"),
        figure_column("found", is_strong=lambda _: True),
        figure_column("now", "in the database"),
    )
    return markdown(Table(columns, found))


def drift_markdown(currency: Currency, month: str, expected: Figures, found: Figures) -> str:
    """The KPIs of a month that differ from what is expected."""
    states = {"expected": expected, "found": found, "drift": found - expected}
    differing = [metric for metric in METRICS if expected[metric] != found[metric]]
    columns = (
        label_column(currency),
        figure_column("expected"),
        figure_column("found", is_strong=lambda _: True),
        figure_column("drift", "difference", is_signed=True),
    )
    return markdown(Table(columns, figure_rows(month, currency, states, differing)))


def _kpi_rows(month: KpiMonth) -> list[FigureRow]:
    states = {
        "expected": month.expected,
        "before": month.before,
        "after": month.after,
        "drift": month.drift,
    }
    return figure_rows("", month.currency, states)


_KPI_COLUMNS = (
    figure_column("expected", description="what the blueprint and all jobs since ask for"),
    figure_column("after", is_strong=lambda _: True, description="read again after the commit"),
    figure_column(
        "drift",
        is_signed=True,
        is_strong=lambda row: row.figures["drift"] != 0,
        description="after - expected: rows that people added or deleted",
    ),
    # The last one: the page cuts what is too wide for it.
    figure_column("before", description="inside the transaction, before anything was loaded"),
)
