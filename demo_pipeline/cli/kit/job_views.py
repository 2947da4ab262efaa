"""Jobs as documents for programs and as tables for people: reports of requests, and jobs of the ledger.

Money is text in documents (major units). How a job is run does not belong here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.figures import METRICS, VALUE_METRICS, Figures, FiguresByMonth, figure_text
from demo_pipeline.domain.core.wording import counted, rows_text
from demo_pipeline.rendering.kpi_columns import (
    METRIC,
    MONTH,
    FigureRow,
    MonthRow,
    figure_column,
    figure_rows,
    kpi_table,
)
from demo_pipeline.rendering.table import Column, Table, csv_text, facts, programs, record, records

if TYPE_CHECKING:
    from demo_pipeline.domain.core.job_kinds import JobKind
    from demo_pipeline.services.jobs.report import JobReport, MonthResult
    from demo_pipeline.services.tenants.queries import JobDetail
    from demo_pipeline.storage.ledger.job_ledger import Attempt, Job

_STATUS_COLOURS: Final = {"failed": "red", "running": "cyan", "pending": "dim"}
#: months that a sentence names
_MOST_MONTHS: Final = 3
#: tables whose rows a summary counts
_COUNTED: Final = ("companies", "contacts", "deals", "activities")


def _is_off(row: FigureRow) -> bool:
    return row.figures["after"] != row.figures["target"]


_CHANGE_COLUMNS: Final[tuple[Column[FigureRow], ...]] = (
    MONTH,
    METRIC,
    figure_column("before"),
    figure_column("target"),
    figure_column("after"),
    figure_column("delta", is_signed=True),
    Column(
        "passed",
        "verdict",
        lambda row: not _is_off(row),
        text=lambda row: "off" if _is_off(row) else "exact",
    ),
)


# -- reports ---------------------------------------------------------------------------------------------


def change_document(report: JobReport) -> dict[str, Any]:
    """What ``patch apply --json`` prints of a job."""
    return {
        "job_id": report.job_id,
        "status": report.status,
        "already_applied": report.already_applied,
        "created": report.created,
        "months": month_documents(report.kind, report.months, report.currency),
        "passed": is_passed(report),
        "seconds": round(report.seconds, 3),
    }


def report_document(report: JobReport) -> dict[str, Any]:
    """What ``generate --json`` and ``run --json`` print of a job."""
    return {"job_id": report.job_id, "tenant": report.tenant, **change_document(report)}


def month_documents(kind: JobKind, months: Sequence[MonthResult], currency: Currency) -> list[dict[str, Any]]:
    """Months with the change of every metric."""
    return [result.to_document(_goal(kind, result), currency) for result in months]


def is_passed(report: JobReport) -> bool:
    """Whether every figure of every month is the one that was to be reached."""
    return all(result.after == _goal(report.kind, result) for result in report.months)


def change_table(
    title: str, kind: JobKind, months: Sequence[MonthResult], currency: Currency
) -> Table[FigureRow]:
    """A row for each figure that changed, or is not as it was to be."""
    rows = [row for row in _change_rows(kind, months, currency) if row.figures["delta"] or _is_off(row)]
    return Table(_CHANGE_COLUMNS, rows, title=title, colour=lambda row: "red" if _is_off(row) else None)


def unchanged_line(changes: Table[FigureRow], months: Sequence[MonthResult]) -> str:
    """What a table of changes leaves out, as a sentence; empty: nothing."""
    if len(changes.rows) == len(months) * len(METRICS):
        return ""
    which = str(months[0].month) if len(months) == 1 else counted(len(months), "month")
    return f"every {'other ' if changes.rows else ''}figure of {which} is as it was"


def report_table(report: JobReport) -> Table[MonthRow]:
    """The figures after the job, month by month."""
    title = f"{report.tenant}: {summary(report)}"
    months = FiguresByMonth((result.month, result.after) for result in report.months)
    return kpi_table(title, months, report.currency)


def summary(report: JobReport) -> str:
    """What a job did, as part of a sentence."""
    if report.already_applied:
        count = len(drift_lines(report))
        if count:
            return f"nothing to make; {counted(count, 'figure')} not as expected"
        return "already as expected, nothing to do"
    return f"{made_rows(report.created) or 'nothing was missing'} in {report.seconds:.1f} s"


def drift_lines(report: JobReport) -> list[str]:
    """Each figure that is not as expected, because people added or deleted rows."""
    return [
        f"{result.month} {metric}: {figure_text(metric, result.after[metric], report.currency)} instead "
        f"of {figure_text(metric, result.expected[metric], report.currency)}"
        for result in report.months
        for metric in METRICS
        if result.drift[metric]
    ]


def made_rows(created: Mapping[str, int]) -> str:
    """Rows of the four counted tables, ``310 companies, ...``."""
    return rows_text({table: created.get(table, 0) for table in _COUNTED})


def _goal(kind: JobKind, result: MonthResult) -> Figures:
    """The figures to reach: the target of a patch, or the expected figures of a materialised month."""
    return result.expected if kind.reaches_expected else result.target


def _change_rows(kind: JobKind, months: Sequence[MonthResult], currency: Currency) -> list[FigureRow]:
    return [
        row
        for result in months
        for row in figure_rows(
            result.month,
            currency,
            {
                "before": result.before,
                "target": _goal(kind, result),
                "after": result.after,
                "delta": result.delta,
            },
        )
    ]


# -- the ledger ------------------------------------------------------------------------------------------


def job_document(job: Job) -> dict[str, Any]:
    """A job of the ledger, without its figures."""
    return record(_job_columns(), job)


def job_table(jobs: Sequence[Job], id_length: int) -> Table[Job]:
    """Jobs in a list, the latest first; ids up to that length."""
    return Table(_job_columns(id_length), jobs, colour=lambda job: _STATUS_COLOURS.get(job.status))


def _job_columns(id_length: int | None = None) -> tuple[Column[Job], ...]:
    return (
        Column("job_id", "job", lambda job: job.id, text=lambda job: str(job.id)[:id_length]),
        Column("tenant", "tenant", lambda job: job.slug, text=_tenant),
        *programs("tenant_id incarnation number"),
        Column("kind", "kind"),
        *programs("mode"),
        Column("plan_type", "plan type"),
        Column("status", "status"),
        Column("undone_by", "undone", text=lambda job: "yes" if job.undone_by else ""),
        Column("", "months", text=_months),
        *programs("range_start_month range_end_month seed ordinal as_of progress current_step"),
        *programs("error_code error_message dagster_run_id requested_by created_at"),
        Column("started_at", "started (UTC)", text=lambda job: _short(job.started_at)),
        *programs("completed_at"),
        Column(
            "seconds",
            "seconds",
            lambda job: None if job.seconds is None else round(job.seconds, 3),
            text=lambda job: "" if job.seconds is None else f"{job.seconds:.1f}",
            is_number=True,
        ),
    )


_ATTEMPT_COLUMNS: Final[tuple[Column[Attempt], ...]] = (
    Column("attempt", "attempt", is_number=True),
    Column("status", "status"),
    Column("started_at", "started (UTC)", text=lambda attempt: _short(attempt.started_at)),
    Column("ended_at", "ended (UTC)", text=lambda attempt: _short(attempt.ended_at)),
    Column("requested_by", "requested by"),
    Column("dagster_run_id", "Dagster run"),
    *programs("error_code"),
    Column("error_message", "error"),
)


def detail_document(detail: JobDetail) -> dict[str, Any]:
    """A job with its plan, figures and attempts."""
    job = detail.job
    return {
        **job_document(job),
        "months": month_documents(job.kind, *_months_of(job)),
        "plan": job.plan,
        "tolerances": job.tolerances,
        "metrics": job.metrics,
        "before_kpis": job.before_kpis,
        "after_kpis": job.after_kpis,
        "diff_report": job.diff_report,
        "attempts": records(_ATTEMPT_COLUMNS, detail.attempts),
    }


def detail_csv(job: Job) -> str:
    """A header, then a line for each month and metric."""
    return csv_text(_CHANGE_COLUMNS, _change_rows(job.kind, *_months_of(job)))


def detail_tables(detail: JobDetail) -> list[Table[Any]]:
    """One job: its facts, how each figure changed, its attempts."""
    job = detail.job
    metrics: dict[str, Any] = job.metrics or {}
    is_running = job.status == "running"
    first = facts(
        [
            ("job", str(job.id)),
            ("tenant", _tenant(job)),
            ("kind", " ".join(part for part in (job.kind, job.plan_type) if part)),
            ("months", _months(job)),
            ("status", f"running, {job.progress} %, {job.current_step}" if is_running else job.status),
            ("error", job.error_message or ""),
            ("made", made_rows(metrics.get("created", {}))),
            *(
                ("made first", f"{made_rows(part['created']) or 'tags and links'}, by job {part['job_id']}")
                for part in metrics.get("request", {}).get("jobs", ())
            ),
            *_undo_facts(job),
            ("as of", "" if job.as_of is None else job.as_of.isoformat()),
            ("seed", job.seed or ""),
            ("undone by", str(job.undone_by or "")),
            ("Dagster run", job.dagster_run_id or ""),
            ("requested by", job.requested_by or ""),
        ]
    )
    changes = change_table("figures that changed", job.kind, *_months_of(job))
    attempts = Table(_ATTEMPT_COLUMNS, detail.attempts, title="attempts")
    return [first, *(table for table in (changes, attempts) if table.rows)]


def job_line(job: Job) -> str:
    """A job as part of a sentence: what it was, of which tenant, when, of which months it changed rows."""
    months = sorted(job.diff_report or ())
    which = ", ".join(months) or _months(job)
    if len(months) > _MOST_MONTHS:
        which = f"{len(months)} months, {month_span(months[0], months[-1])}"
    ending = f", of {which}" if which else ""
    return f"{job.kind} {job.id} of {job.slug}, completed {_short(job.completed_at)} UTC{ending}"


def month_span(first: str, last: str) -> str:
    """``2025-01 to 2025-03``, or the one month."""
    return first if first == last else f"{first} to {last}"


def _undo_facts(job: Job) -> list[tuple[str, str]]:
    """Which rows a job of kind undo soft-deleted or restored."""
    metrics: dict[str, Any] = job.metrics or {}
    plan: dict[str, Any] = job.plan or {}
    found = [("takes back", str(plan["job"]))] if job.kind == "undo" and "job" in plan else []
    found += [(name, made_rows(metrics.get(name, {}))) for name in ("hidden", "shown")]
    for name, title in (("changed_by_people", "changed by people"), ("dependents", "of other jobs, hidden")):
        if rows := metrics.get(name):
            found.append((title, f"{len(rows):,} rows"))
    return found


def _months_of(job: Job) -> tuple[tuple[MonthResult, ...], Currency]:
    """The months of a job by itself, as recorded when it was done, and the currency of their amounts."""
    from demo_pipeline.services.jobs import report

    currency = _currency_of(job)
    return report.months_of(job, currency), currency


def _currency_of(job: Job) -> Currency:
    """A currency without a code: a report has amounts with all their decimals, and does not name it."""
    report: dict[str, dict[str, dict[str, int | str]]] = job.diff_report or {}
    for month in report.values():
        _, _, decimals = str(month["after"][VALUE_METRICS[0]]).partition(".")
        return Currency("", len(decimals))
    return Currency("", 0)


def _tenant(job: Job) -> str:
    return f"{job.slug} (deleted)" if job.is_deleted else job.slug


def _months(job: Job) -> str:
    if job.range_start_month is None:
        return ""
    return month_span(job.range_start_month, job.range_end_month or job.range_start_month)


def _short(instant: datetime | None) -> str:
    return "" if instant is None else f"{instant:%Y-%m-%d %H:%M:%S}"
