"""Which job a request is: one that was done, one that was begun, or the next one of its kind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import count
from uuid import UUID

from demo_pipeline.domain.identity import job_id
from demo_pipeline.domain.months import Month
from demo_pipeline.services.blueprint_rows import KIND
from demo_pipeline.services.subject import Subject
from demo_pipeline.storage.ledger import JobRequest


def choose_job(
    subject: Subject, first: Month, last: Month, as_of: datetime, is_as_expected: Callable[[], bool]
) -> tuple[JobRequest, UUID | None]:
    """The job to open; or, where the months show their figures, the id of the job that made them so.

    A job that is pending, failed or was interrupted is taken up again; after a completed one comes the
    next ordinal, but only if something is missing.
    """
    tenant = subject.state.tenant
    by_id = {job.job_id: job for job in subject.state.jobs}
    plan = {"from": str(first), "to": str(last)}
    done: UUID | None = None
    for ordinal in count():
        request = JobRequest(
            job_id=job_id(
                tenant_id=tenant.tenant_id,
                incarnation=tenant.incarnation,
                kind=KIND,
                plan=plan,
                seed=tenant.seed,
                ordinal=ordinal,
            ),
            tenant_id=tenant.tenant_id,
            kind=KIND,
            ordinal=ordinal,
            seed=tenant.seed,
            plan=plan,
            first_month=first,
            last_month=last,
            as_of=as_of,
        )
        known = by_id.get(request.job_id)
        if known is not None and known.status == "completed":
            done = request.job_id
            continue
        if known is None and is_as_expected():
            return request, done or _latest_done(subject)
        return request, None
    raise AssertionError


def _latest_done(subject: Subject) -> UUID | None:
    """The completed job that made the tenant's months last, whatever range it was asked for."""
    completed = [job for job in subject.state.jobs if job.kind == KIND and job.status == "completed"]
    return completed[-1].job_id if completed else None
