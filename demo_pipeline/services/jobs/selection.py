"""Which job a request is: one that was done, one that was begun, or the next one of its kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from uuid import UUID

from demo_pipeline.domain.core.identity import job_id
from demo_pipeline.services.jobs.tenant_context import TenantContext
from demo_pipeline.storage.ledger.job_ledger import JobRequest
from demo_pipeline.storage.ledger.tenants import JobState


def ordinals(
    context: TenantContext, request: JobRequest
) -> Callable[[int], tuple[JobRequest, JobState | None]]:
    """The ``ordinal``-th job (from 0) that asks what ``request`` asks, and what is known of it."""
    tenant = context.state.tenant
    by_id = {job.job_id: job for job in context.state.jobs}

    def nth(ordinal: int) -> tuple[JobRequest, JobState | None]:
        identity = job_id(
            tenant_id=tenant.tenant_id,
            incarnation=tenant.incarnation,
            kind=request.kind,
            plan=request.plan or {},
            seed=request.seed or "",
            ordinal=ordinal,
        )
        return replace(request, job_id=identity, ordinal=ordinal), by_id.get(identity)

    return nth


def select_job(
    context: TenantContext, request: JobRequest, is_done: Callable[[JobState | None], bool]
) -> tuple[JobRequest, UUID | None]:
    """The job to open; or, where the request is done, the id of the job that did it.

    A job that is pending, failed or was interrupted is taken up again. After completed ones comes the next
    ordinal, unless ``is_done`` says of the last of them that was not undone (None: there is none) that
    nothing is left to do.
    """
    nth = ordinals(context, request)
    last: JobState | None = None
    for ordinal in count():
        candidate, known = nth(ordinal)
        if known is not None and known.status == "completed":
            last = known if known.undone_by is None else last
            continue
        # Before one that failed is taken up: what was done on purpose once more is not this request.
        if last is not None and is_done(last):
            return candidate, last.job_id
        if last is None and known is None and is_done(None):
            done = _latest_done(context, request.kind)
            return candidate, done.job_id if done is not None else None
        return candidate, None
    raise AssertionError


def _latest_done(context: TenantContext, kind: str) -> JobState | None:
    """The completed job of a kind that came last, whatever it was asked for."""
    completed = [job for job in context.state.jobs if job.kind == kind and job.status == "completed"]
    return completed[-1] if completed else None
