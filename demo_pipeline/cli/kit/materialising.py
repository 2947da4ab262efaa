"""Materialising tenants from the command line: the runs, watched, and what they did, read after the commit.

How Dagster is asked to run belongs in ``dagster_runs``; how results look in ``views.jobs``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

from demo_pipeline.cli.kit.job_progress import watched
from demo_pipeline.cli.kit.session import Session, requester
from demo_pipeline.domain.core.errors import DemoError, InterruptedJobError, JobFailedError
from demo_pipeline.domain.core.figures import Figures
from demo_pipeline.domain.core.months import Month

if TYPE_CHECKING:
    from demo_pipeline.cli.kit.dagster_runs import RunOutcome
    from demo_pipeline.services.jobs.report import JobReport
    from demo_pipeline.services.tenants.queries import TenantDetail
    from demo_pipeline.storage.ledger.job_ledger import Job


def materialise_tenants(
    session: Session, slugs: Sequence[str], first: Month | None = None, last: Month | None = None
) -> tuple[JobReport, ...]:
    """Bring the tenants' months to what their blueprints say; reports in the order of ``slugs``.

    Raises the ``DemoError`` that ended the first job that failed; what other tenants got is committed.
    """
    from demo_pipeline.cli.kit.dagster_runs import run_materialisation

    # Whatever a library prints, stdout is for results.
    with watched(session, slugs), redirect_stdout(sys.stderr):
        try:
            outcomes = run_materialisation(
                session.settings, session.database, slugs, first, last, requested_by=requester()
            )
        except InterruptedJobError as error:
            if len(slugs) > 1:
                error.message += "; the same command goes on from here with this tenant and those after it"
            raise
    if failed := [outcome for outcome in outcomes if not outcome.success]:
        raise _failure(failed, of_count=len(slugs))
    return tuple(_report(session, outcome, first, last) for outcome in outcomes)


def _failure(failed: Sequence[RunOutcome], *, of_count: int) -> DemoError:
    """The first error, which says of all tenants what became of them."""
    errors = [outcome.error or JobFailedError("the Dagster run failed") for outcome in failed]
    error = errors[0]
    error.details |= {"runs": {outcome.tenant: outcome.run_id for outcome in failed}}
    if of_count > 1:
        told = zip(failed, errors, strict=True)
        error.message = "; ".join(f"{outcome.tenant}: {each.message}" for outcome, each in told)
        error.message += f" ({len(failed)} of {of_count} tenants; the others are done)"
    return error


# -- what they did ---------------------------------------------------------------------------------------


def _report(session: Session, outcome: RunOutcome, first: Month | None, last: Month | None) -> JobReport:
    """What a run that went well did to its tenant, from the ledger."""
    from demo_pipeline.services.jobs.report import report_of, request_job
    from demo_pipeline.services.months.month_range import month_range
    from demo_pipeline.services.tenants.queries import show_tenant
    from demo_pipeline.storage.connection.clock import current_instant

    detail = show_tenant(session.database, session.settings, outcome.tenant)
    own = request_job([job for job in detail.jobs if job.dagster_run_id == outcome.run_id])
    if own is not None:
        return report_of(own, detail.spec.currency)
    # It was done before: by the job of these months, or by others, of which the latest stands for all.
    now = current_instant(session.database, session.settings)
    asked = month_range(detail.context, first, last, now)
    done = [job for job in detail.jobs if job.kind == "materialise" and job.status == "completed"]
    bounds = (str(asked.first), str(asked.last))
    same = [job for job in done if (job.range_start_month, job.range_end_month) == bounds]
    for job in (*same, *done):
        return _already(session, detail, job, asked.months)
    raise JobFailedError(f"the ledger has no job of run {outcome.run_id}", {"run_id": outcome.run_id})


def _already(session: Session, detail: TenantDetail, job: Job, months: Sequence[Month]) -> JobReport:
    """A job that was done before, with the months asked for as they are now."""
    from demo_pipeline.services.jobs.report import JobReport, MonthResult
    from demo_pipeline.services.tenants.queries import kpis

    now = kpis(session.database, session.settings, job.slug).months
    return JobReport(
        job_id=job.id,
        tenant=job.slug,
        kind=job.kind,
        currency=detail.spec.currency,
        already_applied=True,
        created={},
        months=tuple(
            MonthResult(
                month=month,
                expected=detail.context.expected(month),
                before=now.get(month, Figures()),
                target=now.get(month, Figures()),
                after=now.get(month, Figures()),
            )
            for month in months
        ),
        seconds=0.0,
    )
