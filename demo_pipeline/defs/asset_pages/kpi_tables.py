"""KPI tables as Dagster's pages show them: text in, text out, nothing read and nothing judged.

Markdown stays under 1,000 characters: the page folds away what is longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import dagster as dg

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.figures import METRICS, Figures, figure_text

_LABELS: Final = {
    "leads_created": "Leads created",
    "contacts_created": "Contacts created",
    "companies_created": "Companies created",
    "deals_created": "Deals created",
    "closed_won_count": "Deals won",
    "closed_won_value": "Value won",
    "pipeline_added_value": "Pipeline added",
    "activities_created": "Activities created",
}
_COLUMNS: Final = ("metric", "expected", "before", "after", "drift")
_SCHEMA: Final = dg.TableSchema(
    [
        dg.TableColumn("metric", "string", description="one of the eight KPIs, by its name everywhere"),
        dg.TableColumn("expected", "string", description="what the blueprint and all jobs since say"),
        dg.TableColumn("before", "string", description="inside the transaction, before anything was loaded"),
        dg.TableColumn("after", "string", description="read again after the commit"),
        dg.TableColumn("drift", "string", description="after − expected: what people added or took away"),
    ]
)


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

    def show(self, metric: str, amount: int, *, signed: bool = False) -> str:
        """``1,234`` or ``1,234.50``; with ``signed`` a sign where it is not zero."""
        sign = "+" if signed and amount > 0 else "−" if amount < 0 else ""
        return f"{sign}{figure_text(metric, abs(amount), self.currency)}"

    def rows(self) -> list[dict[str, str]]:
        """One row a metric, as text."""
        return [
            {
                "metric": metric,
                "expected": self.show(metric, self.expected[metric]),
                "before": self.show(metric, self.before[metric]),
                "after": self.show(metric, self.after[metric]),
                "drift": self.show(metric, self.drift[metric], signed=True),
            }
            for metric in METRICS
        ]


def kpi_markdown(month: KpiMonth) -> str:
    """The table with a word for each metric."""
    lines = [f"| {month.currency} | expected | before | after | drift |", "|:--|--:|--:|--:|--:|"]
    for row in month.rows():
        drift = row["drift"] if month.drift[row["metric"]] == 0 else f"**{row['drift']}**"
        cells = (_LABELS[row["metric"]], row["expected"], row["before"], f"**{row['after']}**", drift)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def kpi_table(month: KpiMonth) -> dg.TableMetadataValue:
    """The same as a table with a schema, for programs."""
    return dg.MetadataValue.table([dg.TableRecord(dict(row)) for row in month.rows()], _SCHEMA)


def change_markdown(job: KpiMonth, metrics: Sequence[str] = METRICS) -> str:
    """What a job changed of the month; ``expected`` is what it was to reach, ``after`` what it reached.

    The target is shown with all eight metrics only: beside a table's long names there is no room for it.
    """
    has_target = len(metrics) == len(METRICS)
    names = ("before", "target", "after", "change") if has_target else ("before", "after", "change")
    lines = [f"| {job.currency} | {' | '.join(names)} |", f"|:--{'|--:' * len(names)}|"]
    for metric in metrics:
        moved = job.after[metric] - job.before[metric]
        change = job.show(metric, moved, signed=True)
        cells = {
            "before": job.show(metric, job.before[metric]),
            "target": job.show(metric, job.expected[metric]),
            "after": job.show(metric, job.after[metric]),
            "change": f"**{change}**" if moved else change,
        }
        lines.append(f"| {_LABELS[metric]} | {' | '.join(cells[name] for name in names)} |")
    return "\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class FoundKpi:
    """A figure that the gate found before the roll-back; values in minor units."""

    month: str
    metric: str
    expected: int
    found: int
    #: in the tables, after the roll-back
    now: int


def found_markdown(currency: Currency, found: Sequence[FoundKpi]) -> str:
    """What was wrong, and that it is not there."""
    nothing = Figures()
    shown = KpiMonth(currency=currency, expected=nothing, before=nothing, after=nothing)
    lines = [
        f"| {currency} | month | expected | found | in the database |",
        "|:--|:--|--:|--:|--:|",
    ]
    for one in found:
        expected, seen, now = (shown.show(one.metric, value) for value in (one.expected, one.found, one.now))
        lines.append(f"| {_LABELS[one.metric]} | {one.month} | {expected} | **{seen}** | {now} |")
    return "\n".join(lines)
