"""Parts of an op that runs one job of one tenant: who calls it, what may be tried again, what it shows.

What the job does is the service's; what its events look like is in ``job_events``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID

import dagster as dg

from demo_pipeline.defs.asset_pages.incarnations import begin_in_run
from demo_pipeline.defs.asset_pages.job_events import is_shown, report_markdown, shown_events
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.defs.shared.run_failures import refusal_failure
from demo_pipeline.defs.shared.run_tags import REQUESTER_TAG, TenantTags
from demo_pipeline.domain.core.errors import DemoError, InputError, Problem
from demo_pipeline.services.jobs.failures import is_passing
from demo_pipeline.services.jobs.report import JobReport
from demo_pipeline.services.jobs.steps import JobCaller
from demo_pipeline.services.tenants.verify import inspect

#: tries after the first, where trying again may help
_MOST_RETRIES: Final = 3


def job_id_of(text: str) -> UUID:
    """The job's id in the field ``job_id`` of a form. Raises ``InputError``."""
    try:
        return UUID(text)
    except ValueError:
        message = f"job_id {text[:60]!r} is no job id; demo-pipeline job list shows those there are"
        raise InputError(message, [Problem(code="bad_job_id", field="job_id", message=message)]) from None


def requester_of(context: dg.OpExecutionContext) -> str:
    """Who asked for the run, for the ledger."""
    return context.run_tags.get(REQUESTER_TAG, "dagster")


def caller_of(context: dg.OpExecutionContext, tags: TenantTags, slug: str) -> JobCaller:
    """The caller of a job: it tags the run with the job once it is open, and logs progress."""

    def on_progress(percent: int, step: str) -> None:
        tags.add_open_job(slug)
        context.log.debug("%s %%, %s", percent, step)

    return JobCaller(
        requested_by=requester_of(context), dagster_run_id=context.run_id, on_progress=on_progress
    )


def retry_of(context: dg.OpExecutionContext, demo: DemoTenants, error: DemoError) -> dg.RetryRequested | None:
    """The request to try the op again, where the tenant was busy or a database away; None: no use."""
    if not is_passing(error) or context.retry_number >= _MOST_RETRIES:
        return None
    seconds = demo.settings.retry_seconds
    context.log.warning("%s; another try in %g s", error.message, seconds)
    return dg.RetryRequested(max_retries=_MOST_RETRIES, seconds_to_wait=seconds)


def failed_job(
    context: dg.OpExecutionContext, demo: DemoTenants, tags: TenantTags, slug: str, error: DemoError
) -> Exception:
    """What to raise for a job that was refused or failed: a retry, or the failure of the run."""
    if not isinstance(error, InputError):
        tags.add_open_job(slug)
    return retry_of(context, demo, error) or refusal_failure(error, slug)


def job_events(
    context: dg.OpExecutionContext, demo: DemoTenants, report: JobReport
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
    """The events of a completed job, unless the pages show it already."""
    for note in report.notes:
        context.log.warning("%s", note)
    begin_in_run(context, demo, [report.tenant])
    now = inspect(demo.database, demo.settings, report.tenant)
    if not is_shown(context.instance, report):
        yield from shown_events(context.instance, report, now)


def job_metadata(report: JobReport) -> dict[str, Any]:
    """The metadata of the op's output: the jobs, the rows they made, and each month's change."""
    return {
        "job_id": str(report.job_id),
        "already_applied": report.already_applied,
        "created": dg.MetadataValue.json(dict(report.created)),
        "jobs": dg.MetadataValue.json([part.to_json() for part in report.jobs]),
        "months": dg.MetadataValue.md(report_markdown(report)),
    }
