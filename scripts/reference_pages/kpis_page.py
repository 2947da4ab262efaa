"""``docs/reference/kpis.md``: what the eight KPIs count, and the statement that computes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from demo_pipeline.domain.core.figures import METRICS, Metric
from demo_pipeline.storage.rows.kpis import KPI_SQL
from scripts.reference_pages.markdown import head, page, table

_INTRODUCTION: Final = """\
Eight figures a month. Blueprints, plans, reports, checks and exports mean the same by them.

- A row counts in the month of its `created_at`, in UTC. **A won deal counts in the month in which
  it was created, not in the month in which it was closed.** So a figure of a month that is over never changes
  by itself.
- Rows that people deleted (`deleted_at` is set) do not count. All others do, whoever made them.
- A deal is won where its stage has `is_won`, lost where it has `is_lost`, and open otherwise.
- Counts are in rows, values in the tenant's currency."""
_STATEMENT: Final = """\
## The statement

All of them run this one. `/* scope */` takes more conditions, as that of one tenant. On an export the tables
are its files and no row is deleted ([exports](../exports.md#read-them))."""


def render() -> str:
    """The page."""
    return page(_blocks())


def _blocks() -> Iterator[str]:
    yield head("KPIs", "demo_pipeline/domain/core/figures.py or demo_pipeline/storage/rows/kpis.py")
    yield _INTRODUCTION
    rows = (_row(name, metric) for name, metric in METRICS.items())
    yield table(["KPI", "title in tables", "what it is", "table", "columns that decide"], rows)
    yield _STATEMENT
    yield f"```sql\n{KPI_SQL}```"


def _row(name: str, metric: Metric) -> list[str]:
    columns = ("created_at", "deleted_at", *metric.reads)
    return [
        f"`{name}`",
        metric.short_label,
        metric.meaning,
        f"`crm.{metric.table}`",
        ", ".join(f"`{column}`" for column in columns),
    ]
