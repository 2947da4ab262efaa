"""Give rows of a demo tenant back the provenance that they lost, where their job can be known.

A job of its own, all at once or not at all, and again without harm: what has provenance keeps it. A row is
recognised by its id, which its job generated. A row whose id no job generated was made by a person or another
program, and stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, LiteralString
from uuid import UUID

import numpy as np
import psycopg

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.figures import NO_MONTHS, Figures
from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.random_streams import Stream
from demo_pipeline.domain.generation.provenance import blueprint_stream, drawn_marks, job_stream, marks_of
from demo_pipeline.domain.model import MODEL
from demo_pipeline.services.jobs.report import FirstJob, JobReport, months_of
from demo_pipeline.services.jobs.runner import run_job
from demo_pipeline.services.jobs.selection import next_job
from demo_pipeline.services.jobs.steps import JobCaller, JobOutcome, JobRun, JobSelection, JobTransaction
from demo_pipeline.services.jobs.tenant_context import TenantContext, find_tenant_context
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import job_ledger
from demo_pipeline.storage.ledger.job_ledger import Job, JobSpec
from demo_pipeline.storage.rows import provenance
from demo_pipeline.storage.rows.provenance import Bare, Coverage

#: rows that are listed one by one
_MOST_LISTED: Final = 100


@dataclass(frozen=True, kw_only=True)
class Backfill:
    """What was found out about a tenant's rows, by table."""

    tenant: str
    #: None: there was nothing to fill in
    job_id: UUID | None
    before: Mapping[str, Coverage]
    after: Mapping[str, Coverage]
    #: ids of some rows whose job is not known
    unattributed: Mapping[str, tuple[UUID, ...]]


def backfill(database: Database, settings: Settings, slug: str, caller: JobCaller | None = None) -> Backfill:
    """Fill in what can be known. Raises as ``run_job`` does."""
    with database.admin(readonly=True) as conn:
        context = find_tenant_context(conn, settings, slug, "provenance backfill")
        tenant_id = context.state.tenant.tenant_id
        before = provenance.coverage(conn, tenant_id)
        jobs = job_ledger.list_jobs(conn, slug)
        is_needed = any(_owned(conn, context, jobs, table).jobs for table in MODEL.counted)
    report: JobReport | None = None
    if is_needed:
        report = run_backfill(database, settings, slug, caller)
    with database.snapshot() as conn:
        return Backfill(
            tenant=slug,
            job_id=report.job_id if report is not None else None,
            before=before,
            after=provenance.coverage(conn, tenant_id),
            unattributed={
                table: tuple(row.id for row in provenance.bare_rows(conn, tenant_id, table)[:_MOST_LISTED])
                for table in MODEL.counted
            },
        )


def run_backfill(
    database: Database, settings: Settings, slug: str, caller: JobCaller | None = None
) -> JobReport:
    """The job itself, needed or not."""
    return run_job(database, settings, slug, JobKind.BACKFILL, _select, caller)


def _select(run: JobRun) -> JobSelection:
    spec = JobSpec(kind=JobKind.BACKFILL, seed=run.tenant.seed, plan={}, as_of=run.as_of)
    # What was filled in once may be lost again: then it is the next job.
    return JobSelection(request=next_job(run.context, spec), execute=_execute)


def _execute(run: JobTransaction) -> JobOutcome:
    before = run.figures()
    with run.database.admin(readonly=True) as conn:
        # It does not change while the tenant is held.
        jobs = job_ledger.list_jobs(conn, run.tenant.slug)
    filled: dict[str, int] = {}
    by_job: dict[str, int] = {}
    for table in MODEL.counted:
        owned = _owned(run.conn, run.context, jobs, table)
        filled[table] = provenance.fill(run.conn, run.tenant.tenant_id, table, owned.rows, owned.jobs)
        for job_id in owned.jobs:
            by_job[str(job_id)] = by_job.get(str(job_id), 0) + 1
    return JobOutcome(before=before, change=NO_MONTHS, metrics={"filled": filled, "by_job": by_job})


@dataclass
class _Owned:
    """Rows, and the job of each."""

    rows: list[UUID] = field(default_factory=list[UUID])
    jobs: list[UUID] = field(default_factory=list[UUID])


def _owned(
    conn: psycopg.Connection[Any], context: TenantContext, jobs: list[Job], table: LiteralString
) -> _Owned:
    """Whose the rows of a table are that do not say so themselves, where that can be known."""
    owned = _Owned()
    bare = [row for row in provenance.bare_rows(conn, context.state.tenant.tenant_id, table) if row.is_sound]
    if not bare:
        return owned
    own = [
        job_ledger.readable(job)
        for job in sorted(jobs, key=lambda job: (job.completed_at is None, job.completed_at))
        if job.tenant_id == context.state.tenant.tenant_id and job.status == "completed"
    ]
    marks = marks_of(row.id for row in bare)
    for stream, month, count, makers in _origins(context, own, table):
        for place in np.flatnonzero(np.isin(marks, drawn_marks(stream, month, table, count))).tolist():
            row = bare[place]
            if (maker := _maker(row, makers)) is not None:
                owned.rows.append(row.id)
                owned.jobs.append(maker.id)
    return owned


def _origins(
    context: TenantContext, jobs: list[Job], table: str
) -> Iterator[tuple[Stream, Month, int, list[Job]]]:
    """Stream, month and number of rows that were drawn, and who may have made them, the oldest first."""
    spec, metric = context.spec, f"{table}_created"
    blueprint = [job for job in jobs if job.kind is JobKind.MATERIALISE]
    for month in sorted(context.state.months):
        makers = [job for job in blueprint if (job.range_end_month or "") >= str(month)]
        yield blueprint_stream(spec), month, spec.figures_of(month)[metric], makers
    numbers = {job.job_id: job.number for job in context.state.jobs}
    for job in jobs:
        # The rows of a materialising job draw from a stream of its own where another version made some.
        if job.kind is JobKind.MATERIALISE and not context.other_versions:
            continue
        stream = job_stream(spec, job.seed or "", numbers[job.id])
        for month, made in _made(job, jobs, spec.currency):
            if (count := made[metric]) > 0:
                yield stream, month, count, [job]


def _made(job: Job, jobs: list[Job], currency: Currency) -> Iterator[tuple[Month, Figures]]:
    """What a job made by month: by its own report, or by that of the job that it came before."""
    for result in months_of(job, currency):
        yield result.month, result.target - result.before
    for other in jobs:
        first = FirstJob.from_metrics(other.metrics or {}, currency)
        if first is not None and first.part.job_id == job.id:
            after: dict[str, Any] = other.before_kpis or {}
            for month, before in first.before.items():
                yield month, Figures.from_json(after.get(str(month), {}), currency) - before


def _maker(row: Bare, makers: list[Job]) -> Job | None:
    """The first job that knew all of the row's facts, as far as people left them; None: there is no job."""
    for fact in (row.touched_at, row.known_at):
        for job in makers:
            if job.as_of is not None and fact <= job.as_of:
                return job
    return makers[-1] if makers else None
