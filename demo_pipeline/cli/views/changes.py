"""What a job changed, month by month and metric by metric: before, target, after, delta, verdict.

For people as a table, for programs as a document, for spreadsheets as CSV; the same for a job that was just
done and for one of the ledger. How a job is run, and lists of jobs, do not belong here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from demo_pipeline.cli.kit.console import Column, Table
from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.figures import METRICS, VALUE_METRICS, Figures, figure_text

if TYPE_CHECKING:
    from demo_pipeline.domain.core.job_kinds import JobKind
    from demo_pipeline.services.jobs.report import JobReport, MonthResult
    from demo_pipeline.storage.ledger.job_ledger import Job

_CHANGE_COLUMNS: Final = (
    Column("month"),
    Column("metric"),
    Column("before", is_number=True),
    Column("target", is_number=True),
    Column("after", is_number=True),
    Column("delta", is_number=True),
    Column("verdict"),
)
CSV_HEAD: Final = ("month", "metric", "before", "target", "after", "delta", "passed")


def goal_of(kind: JobKind, result: MonthResult) -> Figures:
    """What a month is held against: what a patch was to reach, or what is expected of a materialised one."""
    return result.expected if kind.reaches_expected else result.target


def is_passed(report: JobReport) -> bool:
    """Whether every figure of every month is what it was to be."""
    return all(result.after == goal_of(report.kind, result) for result in report.months)


def change_document(report: JobReport) -> dict[str, Any]:
    """What ``patch apply --json`` prints of a job."""
    return {
        "job_id": str(report.job_id),
        "status": report.status,
        "already_applied": report.already_applied,
        "created": dict(report.created),
        "months": month_documents(report.kind, report.months, report.currency),
        "passed": is_passed(report),
        "seconds": round(report.seconds, 3),
    }


def month_documents(kind: JobKind, months: Sequence[MonthResult], currency: Currency) -> list[dict[str, Any]]:
    """Months with every metric; money as text in major units."""
    return [result.to_document(goal_of(kind, result), currency) for result in months]


def change_table(title: str, kind: JobKind, months: Sequence[MonthResult], currency: Currency) -> Table:
    """A line for each month and metric."""
    rows: list[list[str]] = []
    colours: dict[int, str] = {}
    for result in months:
        goal = goal_of(kind, result)
        for metric in METRICS:
            has_passed = result.after[metric] == goal[metric]
            if not has_passed:
                colours[len(rows)] = "red"
            elif not result.delta[metric]:
                colours[len(rows)] = "dim"
            rows.append(
                [
                    str(result.month),
                    metric,
                    figure_text(metric, result.before[metric], currency),
                    figure_text(metric, goal[metric], currency),
                    figure_text(metric, result.after[metric], currency),
                    signed(metric, result.delta[metric], currency),
                    "exact" if has_passed else "off",
                ]
            )
    return Table(_CHANGE_COLUMNS, rows, title=title, colours=colours)


def signed(metric: str, value: int, currency: Currency) -> str:
    """A difference for people: ``+1,234``, ``-5.00``, ``0``."""
    text = figure_text(metric, value, currency)
    return f"+{text}" if value > 0 else text


# -- jobs of the ledger ----------------------------------------------------------------------------------


def months_of(job: Job) -> tuple[tuple[MonthResult, ...], Currency]:
    """The months of a job by itself, as recorded when it was done, and the currency of their amounts."""
    from demo_pipeline.services.jobs import report

    currency = _currency_of(job)
    return report.months_of(job, currency), currency


def csv_lines(job: Job) -> list[str]:
    """A header, then a line for each month and metric."""
    months, currency = months_of(job)
    lines = [",".join(CSV_HEAD)]
    for month in month_documents(job.kind, months, currency):
        for metric, moved in month["metrics"].items():
            figures = (str(moved[name]) for name in CSV_HEAD[2:-1])
            lines.append(",".join([month["month"], metric, *figures, str(moved["passed"]).lower()]))
    return lines


def _currency_of(job: Job) -> Currency:
    """A currency without a code: a report has amounts with all their decimals, and does not name it."""
    report: dict[str, dict[str, dict[str, int | str]]] = job.diff_report or {}
    for month in report.values():
        _, _, decimals = str(month["after"][VALUE_METRICS[0]]).partition(".")
        return Currency("", len(decimals))
    return Currency("", 0)
