"""What requests for an undo share, whatever they take back: whether they can be made, and their spec."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.domain.core.months import Month
from demo_pipeline.services.jobs.soft_deletion import refusal
from demo_pipeline.services.jobs.steps import JobRun
from demo_pipeline.services.jobs.tenant_context import TenantContext
from demo_pipeline.storage.ledger.job_ledger import Job, JobSpec


def check_incarnation(context: TenantContext, job: Job) -> None:
    """Raise ``InputError`` for a job of a tenant that was deleted, whose slug another one has now."""
    if job.incarnation != context.state.tenant.incarnation:
        raise refusal("other_incarnation", f"job {job.id} was of a {job.slug} that has been deleted since")


def undone_by(run: JobRun, job: Job) -> UUID | None:
    """The job that undid a job; None: there is none. Raises as :func:`check_incarnation` does."""
    check_incarnation(run.context, job)
    return next(one.undone_by for one in run.context.state.jobs if one.job_id == job.id)


def undo_spec(run: JobRun, job: Job, plan: dict[str, Any], months: Collection[Month] = ()) -> JobSpec:
    """The spec of the undo of a job; it covers the job's own months and ``months``."""
    own = [Month.parse(text) for text in (job.range_start_month, job.range_end_month) if text]
    return JobSpec(
        kind=JobKind.UNDO,
        plan=plan,
        seed=run.tenant.seed,
        first_month=min((*own, *months), default=None),
        last_month=max((*own, *months), default=None),
        as_of=run.as_of,
    )
