"""Jobs as documents for programs and as tables for people: what they made, and how figures moved.

Money is text in documents (major units). How a job is run is not decided here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from demo_pipeline.cli.kit.console import Column, Table, kpi_table
from demo_pipeline.cli.views.changes import change_document, change_table, month_documents, months_of
from demo_pipeline.domain.core.figures import METRICS, FiguresByMonth, figure_text
from demo_pipeline.domain.core.wording import counted, rows_text

if TYPE_CHECKING:
    from demo_pipeline.services.jobs.report import JobReport
    from demo_pipeline.services.tenants.queries import JobDetail
    from demo_pipeline.storage.ledger.job_ledger import Attempt, Job

_STATUS_COLOURS: Final = {"failed": "red", "running": "cyan", "pending": "dim"}
_SHOWN: Final = ("companies", "contacts", "deals", "activities")


def report_document(report: JobReport) -> dict[str, Any]:
    """What a job did, as ``generate --json`` and ``run --json`` tell it."""
    document = change_document(report)
    return {"job_id": document.pop("job_id"), "tenant": report.tenant, **document}


def report_table(report: JobReport) -> Table:
    """The figures after the job, month by month."""
    title = f"{report.tenant}: {summary(report)}"
    months = FiguresByMonth((result.month, result.after) for result in report.months)
    return kpi_table(title, months, report.currency)


def summary(report: JobReport) -> str:
    """What a job did, in half a sentence."""
    if report.already_applied:
        count = len(drift_lines(report))
        if count:
            return f"nothing to make; {counted(count, 'figure')} not as expected"
        return "already as expected, nothing to do"
    made = made_rows(report.created) or "nothing was missing"
    return f"{made} in {report.seconds:.1f} s"


def drift_lines(report: JobReport) -> list[str]:
    """What is there beside what the blueprint asks for: rows that people made or removed."""
    return [
        f"{result.month} {metric}: {figure_text(metric, result.after[metric], report.currency)} instead "
        f"of {figure_text(metric, result.expected[metric], report.currency)}"
        for result in report.months
        for metric in METRICS
        if result.drift[metric]
    ]


# -- the ledger ------------------------------------------------------------------------------------------


def job_document(job: Job) -> dict[str, Any]:
    """A job of the ledger, without its figures."""
    return {
        "job_id": str(job.id),
        "tenant": job.slug,
        "tenant_id": str(job.tenant_id),
        "incarnation": job.incarnation,
        "number": job.number,
        "kind": job.kind,
        "mode": job.mode,
        "plan_type": job.plan_type,
        "status": job.status,
        "range_start_month": job.range_start_month,
        "range_end_month": job.range_end_month,
        "seed": job.seed,
        "ordinal": job.ordinal,
        "as_of": _iso(job.as_of),
        "progress": job.progress,
        "current_step": job.current_step,
        "error_code": job.error_code,
        "error_message": job.error_message,
        "undone_by": str(job.undone_by) if job.undone_by else None,
        "dagster_run_id": job.dagster_run_id,
        "requested_by": job.requested_by,
        "created_at": _iso(job.created_at),
        "started_at": _iso(job.started_at),
        "completed_at": _iso(job.completed_at),
        "seconds": None if job.seconds is None else round(job.seconds, 3),
    }


def detail_document(detail: JobDetail) -> dict[str, Any]:
    """A job with its plan, figures and attempts."""
    job = detail.job
    months, currency = months_of(job)
    return {
        **job_document(job),
        "months": month_documents(job.kind, months, currency),
        "plan": job.plan,
        "tolerances": job.tolerances,
        "metrics": job.metrics,
        "before_kpis": job.before_kpis,
        "after_kpis": job.after_kpis,
        "diff_report": job.diff_report,
        "attempts": [_attempt_document(attempt) for attempt in detail.attempts],
    }


def _attempt_document(attempt: Attempt) -> dict[str, Any]:
    return {
        "attempt": attempt.attempt,
        "status": attempt.status,
        "error_code": attempt.error_code,
        "error_message": attempt.error_message,
        "started_at": _iso(attempt.started_at),
        "ended_at": _iso(attempt.ended_at),
        "requested_by": attempt.requested_by,
        "dagster_run_id": attempt.dagster_run_id,
    }


def job_line(job: Job) -> str:
    """A job in half a sentence: what it was, whose, when, of which months."""
    months = f", months {_months(job)}" if _months(job) else ""
    return f"{job.kind} {job.id} of {job.slug}, completed {_short(job.completed_at)} UTC{months}"


def job_table(jobs: Sequence[Job], id_length: int) -> Table:
    """Jobs in a list, the latest first; ids up to that length."""
    columns = (
        Column("job"),
        Column("tenant"),
        Column("kind"),
        Column("plan type"),
        Column("status"),
        Column("undone"),
        Column("months"),
        Column("started (UTC)"),
        Column("seconds", is_number=True),
    )
    rows = [
        [
            str(job.id)[:id_length],
            _tenant(job),
            job.kind,
            job.plan_type or "",
            job.status,
            "yes" if job.undone_by else "",
            _months(job),
            _short(job.started_at),
            "" if job.seconds is None else f"{job.seconds:.1f}",
        ]
        for job in jobs
    ]
    colours = {
        row: _STATUS_COLOURS[job.status] for row, job in enumerate(jobs) if job.status in _STATUS_COLOURS
    }
    return Table(columns, rows, colours=colours)


def detail_tables(detail: JobDetail) -> list[Table]:
    """One job: its facts, how each figure moved, its attempts."""
    job = detail.job
    metrics: dict[str, Any] = job.metrics or {}
    is_running = job.status == "running"
    facts = [
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
        ("as of", _iso(job.as_of) or ""),
        ("seed", job.seed or ""),
        ("undone by", str(job.undone_by or "")),
        ("Dagster run", job.dagster_run_id or ""),
        ("asked by", job.requested_by or ""),
    ]
    first = Table((Column("fact"), Column("value")), [list(fact) for fact in facts if fact[1]])
    attempts = Table(
        (
            Column("attempt", is_number=True),
            Column("status"),
            Column("started (UTC)"),
            Column("ended (UTC)"),
            Column("asked by"),
            Column("Dagster run"),
            Column("why it ended"),
        ),
        [
            [
                str(item.attempt),
                item.status,
                _short(item.started_at),
                _short(item.ended_at),
                item.requested_by or "",
                item.dagster_run_id or "",
                item.error_message or "",
            ]
            for item in detail.attempts
        ],
        title="attempts",
    )
    months, currency = months_of(job)
    changes = change_table("figures", job.kind, months, currency)
    return [first, *(table for table in (changes, attempts) if table.rows)]


def _undo_facts(job: Job) -> list[tuple[str, str]]:
    """What a job of kind undo took back or showed again."""
    metrics: dict[str, Any] = job.metrics or {}
    plan: dict[str, Any] = job.plan or {}
    facts = [("takes back", str(plan["job"]))] if job.kind == "undo" and "job" in plan else []
    facts += [(name, made_rows(metrics.get(name, {}))) for name in ("hidden", "shown")]
    for name, title in (("changed_by_people", "changed by people"), ("dependents", "of other jobs, hidden")):
        if found := metrics.get(name):
            facts.append((title, f"{len(found):,} rows"))
    return facts


def made_rows(created: Mapping[str, int]) -> str:
    """Rows of the four tables that a person asks about, ``310 companies, ...``."""
    return rows_text({table: created.get(table, 0) for table in _SHOWN})


def _tenant(job: Job) -> str:
    return f"{job.slug} (deleted)" if job.is_deleted else job.slug


def _months(job: Job) -> str:
    if job.range_start_month is None:
        return ""
    return month_span(job.range_start_month, job.range_end_month or job.range_start_month)


def month_span(first: str, last: str) -> str:
    """``2025-01 to 2025-03``, or the one month."""
    return first if first == last else f"{first} to {last}"


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


def _short(instant: datetime | None) -> str:
    return "" if instant is None else f"{instant:%Y-%m-%d %H:%M:%S}"
