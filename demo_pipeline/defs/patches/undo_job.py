"""The job that takes a change back. What can be taken back, and how, is in ``services.patches.undo``."""

from collections.abc import Iterator
from typing import Any, Final

import dagster as dg
from pydantic import Field

from demo_pipeline.defs.asset_pages.job_ops import caller_of, failed_job, job_events, job_id_of, job_metadata
from demo_pipeline.defs.shared.interrupts import interrupts_end_the_job
from demo_pipeline.defs.shared.partitions import EXAMPLE_TENANT
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.defs.shared.run_failures import refusal_failure
from demo_pipeline.defs.shared.run_tags import KIND_TAG, TenantTags
from demo_pipeline.domain.core.errors import DemoError, InputError, InterruptedJobError, Problem
from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.services.patches.undo import last_change
from demo_pipeline.services.patches.undo import undo_job as undo_change
from demo_pipeline.services.tenants import queries
from demo_pipeline.storage.ledger.job_ledger import Job

JOB: Final = "undo_job"


class UndoConfig(dg.Config):
    """What to take back: the latest change of `tenant`, or the job `job_id`; one of the two."""

    tenant: str | None = Field(
        default=None,
        description="A demo tenant, by its slug: its latest completed change that is not undone (a patch, an "
        "extension, a repair, a rewind). Leave it out where job_id is given.",
    )
    job_id: str | None = Field(
        default=None,
        description="A completed job, as `demo-pipeline job list --json` has it. Leave it out where tenant "
        "is given.",
    )
    with_dependents: bool = Field(
        default=False,
        description="Also the rows of other jobs that depend on its rows; rows of people never.",
    )


@dg.op(
    out=dg.Out(dg.Nothing),
    description="In one transaction delete the rows of the job, verify and commit; then show the months that "
    "it touched.",
)
def undo(context: dg.OpExecutionContext, config: UndoConfig, demo: DemoTenants) -> Iterator[Any]:
    """One change of one tenant."""
    try:
        job = _selected(demo, config)
    except DemoError as error:
        raise refusal_failure(error, config.tenant) from None
    context.log.info("taking back job %s, %s of %s", job.id, job.kind, job.slug)
    tags = TenantTags(context, demo, [job.slug])
    try:
        with interrupts_end_the_job():
            report = undo_change(
                demo.database,
                demo.settings,
                job.id,
                with_dependents=config.with_dependents,
                caller=caller_of(context, tags, job.slug),
            )
    except InterruptedJobError:
        raise
    except DemoError as error:
        raise failed_job(context, demo, tags, job.slug, error) from None
    tags.add_report(report)
    yield from job_events(context, demo, report)
    yield dg.Output(None, metadata={"undoes": str(job.id), **job_metadata(report)})


@dg.job(
    name=JOB,
    tags={KIND_TAG: JobKind.UNDO.value},
    config={"ops": {"undo": {"config": {"tenant": EXAMPLE_TENANT, "with_dependents": False}}}},
    description="Take a change of a demo tenant back: the latest one of a `tenant`, or the job `job_id`. All "
    "of it or nothing.\n\nRows of other jobs that depend on its rows stop it, with the list. The undo of an "
    "undo brings the rows back; launched again and again with a `tenant`, it takes back one change after the "
    "other.",
)
def undo_job() -> None:
    """From a completed job to its undo."""
    undo()


def _selected(demo: DemoTenants, config: UndoConfig) -> Job:
    """The job to take back. Raises ``InputError`` and ``NotFoundError``."""
    if config.tenant is not None and config.job_id is None:
        return last_change(demo.database, demo.settings, config.tenant)
    if config.job_id is None or config.tenant is not None:
        given = "neither" if config.job_id is None else "both"
        message = f"{given} of tenant and job_id is given; give one of the two"
        raise InputError(message, [Problem(code="one_of_two", field="tenant, job_id", message=message)])
    return queries.show_job(demo.database, job_id_of(config.job_id)).job
