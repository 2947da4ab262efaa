"""What an undo changes of what is expected: figures of the ledger and of the rows that make up for others.

Which rows an undo deletes and restores is in ``undo``.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.figures import METRICS, NO_MONTHS, Figures, FiguresByMonth
from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.documents.stored import reading_job
from demo_pipeline.services.jobs.report import report_of
from demo_pipeline.services.jobs.steps import JobRun
from demo_pipeline.storage.ledger import job_ledger
from demo_pipeline.storage.ledger.job_ledger import Job
from demo_pipeline.storage.rows.kpis import job_figures


def recorded_by(run: JobRun, job: Job) -> FiguresByMonth:
    """What a completed job changed of what is expected."""
    with run.database.admin(readonly=True) as admin:
        # It does not change any more.
        return job_ledger.recorded_changes(admin, run.tenant.tenant_id, job.id, run.currency)


def deleted_along(undo: Job, job_id: UUID, currency: Currency) -> FiguresByMonth:
    """Figures of a job's rows that the undo of another job deleted along with its own."""
    stored: dict[str, Any] = undo.metrics.get("taken_along", {}).get(str(job_id), {})
    with reading_job(undo.slug, undo.id, "metrics.taken_along"):
        return FiguresByMonth.from_json(stored, currency)


def healing_jobs(run: JobRun, after: int = 0) -> list[UUID]:
    """Jobs that made up for hidden rows, of those with a number beyond ``after``."""
    return [job.job_id for job in run.context.state.jobs if job.kind is JobKind.HEAL and job.number > after]


def healed_for(
    run: JobRun, job: Job, before: FiguresByMonth, kept: FiguresByMonth, along: FiguresByMonth
) -> FiguresByMonth:
    """What later rows make up for of a job: of what people took of it, and once its own rows are hidden.

    ``kept``: what of its rows people left, ``along``: later rows that go with them. Which row makes up
    for which is not known: what falls short now, or goes along, is counted as this job's, so that no rows
    are missing for a job that is undone.
    """
    later = healing_jobs(run, job.number)
    if not later:
        return NO_MONTHS
    there = job_figures(run.conn, run.tenant.tenant_id, run.currency, later)
    healed: dict[Month, Figures] = {}
    for month, made in _made(job, run.currency).items():
        lost = made - kept.at(month)
        short = run.context.expected(month) - before.at(month)
        deleted, most = along.at(month), there.at(month)
        healed[month] = Figures(
            **{
                metric: max(min(lost[metric] - max(short[metric], 0) - deleted[metric], most[metric]), 0)
                for metric in METRICS
            }
        )
    return FiguresByMonth(healed)


def _made(job: Job, currency: Currency) -> FiguresByMonth:
    """What the rows count for that a patch or an extension made."""
    if not job.is_reconcile:
        return FiguresByMonth((result.month, result.delta) for result in report_of(job, currency).months)
    with reading_job(job.slug, job.id, "metrics.made"):
        return FiguresByMonth.from_json(job.metrics["made"], currency)
