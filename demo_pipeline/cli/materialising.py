"""Materialising tenants from the command line: the runs, watched, and what they did, read after the commit.

How Dagster is asked to run belongs in ``dagster_runs``; how results look in ``job_views``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from demo_pipeline.cli.progress_bar import watched
from demo_pipeline.cli.session import Session, requester
from demo_pipeline.domain.errors import JobFailedError
from demo_pipeline.domain.metrics import Figures
from demo_pipeline.domain.months import Month

if TYPE_CHECKING:
    from demo_pipeline.services.reading import TenantDetail
    from demo_pipeline.services.reports import JobReport
    from demo_pipeline.storage.ledger import Job


@dataclass(frozen=True)
class RunOutcome:
    """How one run ended."""

    run_id: str
    success: bool
    errors: tuple[str, ...] = ()


def materialise_tenants(
    session: Session, slugs: Sequence[str], first: Month | None = None, last: Month | None = None
) -> tuple[JobReport, ...]:
    """Bring the tenants' months to what their blueprints say; reports in the order of ``slugs``.

    Raises the ``DemoError`` that ended the first job that failed; what other tenants got is committed.
    """
    _require_demo_tenants(session, slugs)
    # Whatever a library prints, stdout is for results.
    with watched(session, slugs), redirect_stdout(sys.stderr):
        outcomes = _run(session, slugs, first, last)
    return read_reports(session, slugs, outcomes, first, last)


def _require_demo_tenants(session: Session, slugs: Sequence[str]) -> None:
    """Refuse at once what no run should be started for. As the loader, which may write the audit."""
    from demo_pipeline.services.materialise import KIND
    from demo_pipeline.services.subject import find_subject

    with session.database.loader() as conn:
        for slug in slugs:
            find_subject(conn, session.settings, slug, KIND)


def _run(session: Session, slugs: Sequence[str], first: Month | None, last: Month | None) -> list[RunOutcome]:
    from demo_pipeline.services.materialise import materialise

    run_id = str(uuid4())
    for slug in slugs:
        materialise(
            session.database,
            session.settings,
            slug,
            first,
            last,
            dagster_run_id=run_id,
            requested_by=requester(),
        )
    return [RunOutcome(run_id, success=True)]


# -- what they did ---------------------------------------------------------------------------------------


def read_reports(
    session: Session,
    slugs: Sequence[str],
    outcomes: Sequence[RunOutcome],
    first: Month | None,
    last: Month | None,
) -> tuple[JobReport, ...]:
    """What the runs did to each tenant, from the ledger. Raises what ended a job that failed."""
    run_ids = {outcome.run_id for outcome in outcomes}
    reports = tuple(_report(session, slug, run_ids, first, last) for slug in slugs)
    if errors := [error for outcome in outcomes if not outcome.success for error in outcome.errors]:
        raise JobFailedError("; ".join(errors), {"run_ids": sorted(run_ids)})
    return reports


def _report(
    session: Session, slug: str, run_ids: set[str], first: Month | None, last: Month | None
) -> JobReport:
    from demo_pipeline.services.reading import show_tenant

    detail = show_tenant(session.database, session.settings, slug)
    wanted = _range(session, detail, first, last)
    for job in detail.jobs:
        if job.dagster_run_id in run_ids:
            return _of_job(job, detail.spec.minor_digits)
    # It was done before: these months, or others of the tenant that include them.
    done = [job for job in detail.jobs if job.kind == "materialise" and job.status == "completed"]
    done.sort(key=lambda job: (job.range_start_month, job.range_end_month) != wanted)
    if not done:
        raise JobFailedError(f"the run left no completed job of {slug} in the ledger; run it again")
    return _already(session, detail, done[0])


def _range(
    session: Session, detail: TenantDetail, first: Month | None, last: Month | None
) -> tuple[str, str]:
    """The months that are meant where none are named: the span as far as it has begun, and what is loaded."""
    start, running = first or detail.spec.start_month, Month.containing(session.settings.instant())
    loaded = detail.subject.state.months
    return str(start), str(last or max(start, min(running, max((detail.spec.end_month, *loaded)))))


def _of_job(job: Job, minor_digits: int) -> JobReport:
    """A completed job as its own report told it."""
    from demo_pipeline.services.reports import JobReport, MonthResult

    def figures(kpis: dict[str, Any] | None, month: str) -> Figures:
        return Figures.from_json((kpis or {}).get(month, {}), minor_digits)

    diff: dict[str, Any] = job.diff_report or {}
    metrics: dict[str, Any] = job.metrics or {}
    return JobReport(
        job_id=job.id,
        tenant=job.slug,
        minor_digits=minor_digits,
        already_applied=False,
        created=metrics.get("created", {}),
        months=tuple(
            MonthResult(
                month=Month.parse(month),
                expected=Figures.from_json(change["expected"], minor_digits),
                before=figures(job.before_kpis, month),
                after=figures(job.after_kpis, month),
            )
            for month, change in sorted(diff.items())
        ),
        seconds=job.seconds or 0.0,
        status=job.status,
    )


def _already(session: Session, detail: TenantDetail, job: Job) -> JobReport:
    """A job that was done before: its months as they are now."""
    from demo_pipeline.services.reading import kpis
    from demo_pipeline.services.reports import JobReport, MonthResult

    now = kpis(session.database, session.settings, job.slug).months
    start, end = Month.parse(job.range_start_month or ""), Month.parse(job.range_end_month or "")
    return JobReport(
        job_id=job.id,
        tenant=job.slug,
        minor_digits=detail.spec.minor_digits,
        already_applied=True,
        created={},
        months=tuple(
            MonthResult(
                month=month,
                expected=detail.subject.expected(month),
                before=now.get(month, Figures()),
                after=now.get(month, Figures()),
            )
            for month in start.until(end)
        ),
        seconds=0.0,
    )
