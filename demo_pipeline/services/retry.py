"""Take up a job that failed: the same request, so the same job, with one more attempt."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never
from uuid import UUID

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.patch_plan.plan import PatchPlan
from demo_pipeline.services.checkpoints.checkpoint import repeat_checkpoint
from demo_pipeline.services.checkpoints.rewind import rewind_tenant
from demo_pipeline.services.jobs.report import JobReport, report_of
from demo_pipeline.services.jobs.steps import JobCaller
from demo_pipeline.services.jobs.tenant_context import find_tenant_context
from demo_pipeline.services.jobs.undo_request import check_incarnation
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.patches.undo import undo_job
from demo_pipeline.services.repairs.backfill import run_backfill
from demo_pipeline.services.repairs.repair import run_repair
from demo_pipeline.services.tenants.extend import extend_tenant
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import job_ledger
from demo_pipeline.storage.ledger.job_ledger import Job


def retry_job(
    database: Database, settings: Settings, job_id: UUID, *, caller: JobCaller | None = None
) -> JobReport:
    """Do what a failed, interrupted or pending job was asked for; of a completed one the report is returned.

    Raises as ``run_job`` does, ``NotFoundError``, ``UnreadableJobError``, and ``InputError`` for a job
    of a deleted tenant.
    """
    with database.admin(readonly=True) as conn:
        job = job_ledger.readable(job_ledger.get_job(conn, job_id))
        context = find_tenant_context(conn, settings, job.slug, "job retry")
    check_incarnation(context, job)
    if job.status == "completed":
        return _completed(job, context.spec.currency)
    match job.kind:
        case JobKind.PATCH:
            plan = PatchPlan.from_json(job.plan, seed=job.seed)
            return apply_patch(database, settings, job.slug, plan, retried=job.id, caller=caller)
        case JobKind.UNDO:
            undone, with_dependents = UUID(job.plan["job"]), bool(job.plan.get("with_dependents"))
            return undo_job(database, settings, undone, with_dependents=with_dependents, caller=caller)
        case JobKind.MATERIALISE | JobKind.HEAL:
            first, last = (
                Month.parse(text) if text else None for text in (job.range_start_month, job.range_end_month)
            )
            return materialise(database, settings, job.slug, first, last, with_gaps=True, caller=caller)
        case JobKind.EXTEND:
            assert job.range_end_month is not None  # an extension has a range
            return extend_tenant(
                database, settings, job.slug, Month.parse(job.range_end_month), caller=caller
            )
        case JobKind.BACKFILL:
            return run_backfill(database, settings, job.slug, caller)
        case JobKind.CHECKPOINT:
            return repeat_checkpoint(database, settings, job.slug, job.plan, caller)
        case JobKind.REWIND:
            name, checkpoint_id = job.plan["name"], UUID(job.plan["checkpoint"])
            return rewind_tenant(
                database, settings, job.slug, name, checkpoint_id=checkpoint_id, caller=caller
            )
        case JobKind.REPAIR | JobKind.DEDUPE | JobKind.CLEANUP:
            return run_repair(database, settings, job.slug, job.kind, job.plan, caller)
        case _:
            assert_never(job.kind)


def _completed(job: Job, currency: Currency) -> JobReport:
    """The report of a job that was done before, and what became of it."""
    report = report_of(job, currency, already_applied=True)
    if job.undone_by is None:
        return report
    note = (
        f"what job {job.id} changed is not there now; demo-pipeline job undo {job.undone_by} brings it back"
    )
    return replace(report, undone_by=job.undone_by, notes=(note,))
