"""What jobs share that hide rows: undo and repairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from demo_pipeline.domain.core.errors import InputError, Problem
from demo_pipeline.domain.core.figures import Figures, FiguresByMonth
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.documents.stored import read_instant, reading_job
from demo_pipeline.services.jobs.steps import JobRun
from demo_pipeline.services.jobs.tenant_context import TenantContext
from demo_pipeline.storage.ledger.job_ledger import Job
from demo_pipeline.storage.rows.soft_delete import FoundRow

#: rows that are listed one by one
MOST_LISTED: Final = 100


def refusal(code: str, message: str, rows: Sequence[FoundRow] = ()) -> InputError:
    """The refusal of a request, with the rows that prevent it."""
    named = [
        Problem(
            code=code,
            message=f"{row.entity} row" + (f" of job {row.job_id}" if row.job_id else " made by people"),
            month=f"{row.created_at:%Y-%m}",
            value=str(row.id),
        )
        for row in rows[:MOST_LISTED]
    ]
    return InputError(message, [Problem(code=code, message=message), *named])


def row_document(row: FoundRow) -> dict[str, str | None]:
    """The row as JSON."""
    return {"table": row.entity, "id": str(row.id), "job_id": str(row.job_id) if row.job_id else None}


def hidden_at(job: Job) -> datetime:
    """The instant that the rows bear which a completed job hid. Raises ``UnreadableJobError``."""
    with reading_job(job.slug, job.id, "metrics"):
        return read_instant(job.metrics["hidden_at"])


def with_undone(context: TenantContext, undone_by: Mapping[UUID, UUID | None]) -> TenantContext:
    """The tenant as it is once jobs are undone, or (None) are not undone any more."""
    jobs = tuple(
        replace(job, undone_by=undone_by[job.job_id]) if job.job_id in undone_by else job
        for job in context.state.jobs
    )
    return replace(context, state=replace(context.state, jobs=jobs))


def changed_results(
    run: JobRun,
    before: FiguresByMonth,
    change: FiguresByMonth,
    recorded: FiguresByMonth,
    context: TenantContext | None = None,
) -> dict[Month, tuple[Figures, Figures]]:
    """Expected and target of every month that is touched; ``context``: the tenant once the job is done."""
    context = context or run.context
    return {
        month: (
            context.expected(month) + recorded.at(month),
            before.at(month) + change.at(month),
        )
        for month in {*change, *recorded}
    }
