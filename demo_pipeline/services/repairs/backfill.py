"""Give rows of a demo tenant back the provenance that they lost, where their job can be known.

A job of its own, all at once or not at all, and again without harm: what has provenance keeps it. A row is
recognised by its id, which its job generated. A row whose id no job generated was made by a person or another
program, and stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from demo_pipeline.domain.core.figures import NO_MONTHS
from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.domain.model import MODEL
from demo_pipeline.services.jobs.report import JobReport
from demo_pipeline.services.jobs.row_origins import owned_rows
from demo_pipeline.services.jobs.runner import run_job
from demo_pipeline.services.jobs.selection import next_job
from demo_pipeline.services.jobs.steps import JobCaller, JobOutcome, JobRun, JobSelection, JobTransaction
from demo_pipeline.services.jobs.tenant_context import find_tenant_context
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import job_ledger
from demo_pipeline.storage.ledger.job_ledger import JobSpec
from demo_pipeline.storage.rows import provenance
from demo_pipeline.storage.rows.provenance import Coverage

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
        is_needed = any(owned_rows(conn, context, jobs, table).jobs for table in MODEL.counted)
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
        owned = owned_rows(run.conn, run.context, jobs, table)
        filled[table] = provenance.fill(run.conn, run.tenant.tenant_id, table, owned.rows, owned.jobs)
        for job_id in owned.jobs:
            by_job[str(job_id)] = by_job.get(str(job_id), 0) + 1
    return JobOutcome(before=before, change=NO_MONTHS, metrics={"filled": filled, "by_job": by_job})
