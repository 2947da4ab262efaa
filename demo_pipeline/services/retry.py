"""Take up a job that failed: the same request, so the same job, with one more attempt."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.errors import InputError, Problem
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.patch_plan.plan import PatchPlan
from demo_pipeline.services.jobs.report import JobReport, report_of
from demo_pipeline.services.jobs.runner import JobCaller
from demo_pipeline.services.jobs.soft_deletion import REPAIRS
from demo_pipeline.services.jobs.tenant_context import EXTEND, find_tenant_context
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.months.pending_load import KIND as MATERIALISE
from demo_pipeline.services.patches.patch import KIND as PATCH
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.patches.undo import KIND as UNDO
from demo_pipeline.services.patches.undo import undo_job
from demo_pipeline.services.repairs.backfill import KIND as BACKFILL
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
    if job.incarnation != context.state.tenant.incarnation:
        message = f"job {job.id} was of a {job.slug} that has been deleted since"
        raise InputError(message, [Problem(code="other_incarnation", message=message)])
    if job.status == "completed":
        return _completed(job, context.spec.currency)
    caller = caller or JobCaller()
    match job.kind:
        case "patch":
            plan = PatchPlan.from_json(job.plan, seed=job.seed)
            return apply_patch(database, settings, job.slug, plan, retried=job.id, caller=caller)
        case "undo":
            with_dependents = bool(job.plan.get("with_dependents"))
            return undo_job(
                database, settings, UUID(job.plan["job"]), with_dependents=with_dependents, caller=caller
            )
        case "materialise" | "heal":
            return materialise(
                database,
                settings,
                job.slug,
                _month(job.range_start_month),
                _month(job.range_end_month),
                with_gaps=True,
                on_progress=caller.on_progress,
                dagster_run_id=caller.dagster_run_id,
                requested_by=caller.requested_by,
            )
        case "extend":
            assert job.range_end_month is not None  # an extension has a range
            return extend_tenant(
                database, settings, job.slug, Month.parse(job.range_end_month), caller=caller
            )
        case "backfill":
            return run_backfill(database, settings, job.slug, caller)
        case "repair" | "dedupe" | "cleanup":
            return run_repair(database, settings, job.slug, job.kind, job.plan, caller)
        case _:
            raise _refused(job)


def _completed(job: Job, currency: Currency) -> JobReport:
    """The report of a job that was done before, and what became of it."""
    report = report_of(job, currency, already_applied=True)
    if job.undone_by is None:
        return report
    note = (
        f"what job {job.id} changed is not there now; demo-pipeline job undo {job.undone_by} brings it back"
    )
    return replace(report, undone_by=job.undone_by, notes=(note,))


def _month(text: str | None) -> Month | None:
    return Month.parse(text) if text else None


def _refused(job: Job) -> InputError:
    message = f"job {job.id} is a {job.kind}, which cannot be tried again"
    known = ", ".join((MATERIALISE, PATCH, EXTEND, UNDO, BACKFILL, *REPAIRS))
    return InputError(message, [Problem(code="not_retried", message=f"{message}; {known} can")])
