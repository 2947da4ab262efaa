"""Which job a request is: one that was completed, one that was begun, or the next one of its kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import count
from uuid import UUID

from demo_pipeline.domain.core.job_identity import job_id
from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.domain.core.months import Month
from demo_pipeline.services.jobs.tenant_context import TenantContext
from demo_pipeline.storage.ledger.job_ledger import JobRequest, JobSpec
from demo_pipeline.storage.ledger.tenants import JobState


def months_spec(
    kind: JobKind, seed: str, first: Month, last: Month, as_of: datetime | None = None
) -> JobSpec:
    """The spec of a job about the blueprint's months from ``first`` to ``last``."""
    plan = {"from": str(first), "to": str(last)}
    return JobSpec(kind=kind, seed=seed, plan=plan, first_month=first, last_month=last, as_of=as_of)


def identified(spec: JobSpec, tenant_id: UUID, incarnation: int, ordinal: int = 0) -> JobRequest:
    """The ``ordinal``-th job (from 0) of a tenant that asks what ``spec`` asks."""
    identity = job_id(
        tenant_id=tenant_id,
        incarnation=incarnation,
        kind=spec.kind,
        plan=spec.plan or {},
        seed=spec.seed or "",
        ordinal=ordinal,
    )
    return JobRequest(**vars(spec), job_id=identity, tenant_id=tenant_id, ordinal=ordinal)


def jobs_of_spec(context: TenantContext, spec: JobSpec) -> Iterator[tuple[JobRequest, JobState | None]]:
    """The jobs that ask what ``spec`` asks, by ordinal, without end; their states in the ledger."""
    tenant = context.state.tenant
    by_id = {job.job_id: job for job in context.state.jobs}
    for ordinal in count():
        request = identified(spec, tenant.tenant_id, tenant.incarnation, ordinal)
        yield request, by_id.get(request.job_id)


def select_job(
    context: TenantContext, spec: JobSpec, is_done: Callable[[JobState | None], bool]
) -> JobRequest | UUID:
    """The job to open; or, where the request is fulfilled, the id of the job that fulfilled it.

    A job that is pending, failed or was interrupted is selected again. After completed ones comes the next
    ordinal, unless ``is_done`` says of the last of them that was not undone (None: there is none) that
    nothing is left to do.
    """
    last: JobState | None = None
    for request, state in jobs_of_spec(context, spec):
        if state is not None and state.status == "completed":
            last = state if state.undone_by is None else last
            continue
        # Before a failed one is selected: it may have asked on purpose for once more.
        if last is not None and is_done(last):
            return last.job_id
        if last is None and state is None and is_done(None):
            completed = [
                job.job_id
                for job in context.state.jobs
                if job.kind == spec.kind and job.status == "completed"
            ]
            # Fulfilled by the latest job of the kind, whatever months it was asked for.
            return completed[-1] if completed else request
        return request
    raise AssertionError


def next_job(context: TenantContext, spec: JobSpec) -> JobRequest:
    """The job to open for a request that is never fulfilled by an earlier job."""
    return next(
        request
        for request, state in jobs_of_spec(context, spec)
        if state is None or state.status != "completed"
    )
