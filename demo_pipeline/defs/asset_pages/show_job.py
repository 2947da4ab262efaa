"""The job that shows on the asset pages what was done outside Dagster: patches and undos of the command line.

A run of its own, and not events without one: Dagster keeps one verdict of a check for a partition and a run,
and refuses the second one that has no run.
"""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import dagster as dg
from pydantic import Field

from demo_pipeline.defs.asset_pages.incarnations import begin_in_run
from demo_pipeline.defs.asset_pages.job_events import is_shown, shown_events
from demo_pipeline.defs.shared.partitions import TENANT
from demo_pipeline.defs.shared.problem_tables import refusal_failure
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.defs.shared.run_tags import JOB_TAG, KIND_TAG, REQUESTER_TAG, TENANT_TAG, first_job_tags
from demo_pipeline.domain.core.errors import DemoError, InputError, Problem
from demo_pipeline.services.jobs.report import report_of
from demo_pipeline.services.jobs.tenant_snapshot import TenantSnapshot, standing
from demo_pipeline.services.tenants import queries
from demo_pipeline.storage.ledger.job_ledger import Job


class ShowConfig(dg.Config):
    """Which job."""

    job_id: str = Field(description="A completed job, as `demo-pipeline job list` shows it.")


@dg.op(
    description="Read the job from the ledger and its tenant as it stands, and show the months it touched."
)
def show(context: dg.OpExecutionContext, config: ShowConfig, demo: DemoTenants) -> Iterator[Any]:
    """Nothing is changed in the CRM's database; a job that is shown already is left alone."""
    try:
        job, now = _read(demo, config.job_id)
    except DemoError as error:
        raise refusal_failure(error, None) from None
    report = report_of(job, now.currency)
    context.instance.add_run_tags(
        context.run_id,
        {
            **first_job_tags(report),
            KIND_TAG: job.kind,
            TENANT_TAG: job.slug,
            JOB_TAG: str(job.id),
            **({REQUESTER_TAG: job.requested_by} if job.requested_by else {}),
        },
    )
    context.instance.add_dynamic_partitions(TENANT, [job.slug])
    begin_in_run(context, demo, [job.slug])
    if is_shown(context.instance, report):
        context.log.info("job %s is shown already", job.id)
    else:
        yield from shown_events(context.instance, report, now)
    yield dg.Output(None)


@dg.job(
    name="show_job",
    description="Show on the asset pages a job that ran outside Dagster. The command line runs this by "
    "itself after a patch and an undo; launch it for one that the pages miss. It changes nothing in the CRM.",
    # The run tells what was done; its own tags take the place of this one.
    tags={KIND_TAG: "show"},
)
def show_job() -> None:
    """From the ledger to the pages."""
    show()


def _read(demo: DemoTenants, job_id: str) -> tuple[Job, TenantSnapshot]:
    """Raises ``InputError`` for what is no completed job, ``NotFoundError``."""
    try:
        job = queries.show_job(demo.database, UUID(job_id)).job
    except ValueError:
        message = f"job_id {job_id[:60]!r} is no job id; demo-pipeline job list shows those there are"
        raise InputError(message, [Problem(code="bad_job_id", field="job_id", message=message)]) from None
    if job.status != "completed":
        message = f"job {job.id} is {job.status}; only a completed one has something to show"
        raise InputError(message, [Problem(code="not_completed", field="job_id", message=message)])
    now = standing(demo.database, demo.settings, job.slug)
    if now.tenant_id != job.tenant_id:
        # The pages show the present tenant of the slug, and the job's rows are gone.
        message = f"the tenant of job {job.id} was deleted; {job.slug} is another one now"
        raise InputError(message, [Problem(code="tenant_deleted", field="job_id", message=message)])
    return job, now
