"""Shows a job that ran outside Dagster on the asset pages: a Dagster job, and a program that runs it.

The command line starts ``python -m demo_pipeline.defs.asset_pages.show_job JOB...`` after a commit; the
environment names the instance and the databases. Exit code 1, and a line with the reason, if a job could not
be shown.

It is a run, and not events without a run: Dagster stores one verdict of a check per partition and run, and
rejects a second verdict without a run.
"""

import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, Final

import dagster as dg
from pydantic import Field

from demo_pipeline.defs.asset_pages.incarnations import begin_in_run
from demo_pipeline.defs.asset_pages.job_events import is_shown, shown_events
from demo_pipeline.defs.asset_pages.job_ops import job_id_of
from demo_pipeline.defs.shared.partitions import TENANT
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.defs.shared.run_failures import refusal_failure
from demo_pipeline.defs.shared.run_launcher import PROCESS_TAG, this_process
from demo_pipeline.defs.shared.run_tags import JOB_TAG, KIND_TAG, REQUESTER_TAG, TENANT_TAG, first_job_tags
from demo_pipeline.domain.core.errors import DemoError, InputError, Problem
from demo_pipeline.domain.core.terminal_text import neutral
from demo_pipeline.services.jobs.report import report_of
from demo_pipeline.services.tenants import queries
from demo_pipeline.services.tenants.verify import Inspection, inspect
from demo_pipeline.storage.connection.masking import masked
from demo_pipeline.storage.ledger.job_ledger import Job

_QUIET: Final = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class ShowConfig(dg.Config):
    """The job to show."""

    job_id: str = Field(description="A completed job, as `demo-pipeline job list` shows it.")


@dg.op(
    description="Read the job from the ledger and its tenant as it stands, and show the months it touched."
)
def show(context: dg.OpExecutionContext, config: ShowConfig, demo: DemoTenants) -> Iterator[Any]:
    """Change nothing in the CRM's database; skip a job that is shown already."""
    try:
        job, now = _read(demo, config.job_id)
    except DemoError as error:
        raise refusal_failure(error, None) from None
    report = report_of(job, now.currency)
    context.instance.add_run_tags(
        context.run_id,
        {
            **first_job_tags(report),
            KIND_TAG: job.kind.value,
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
    # Replaced by the kind of the job that is shown.
    tags={KIND_TAG: "show"},
)
def show_job() -> None:
    """From the ledger to the pages."""
    show()


def _read(demo: DemoTenants, job_id: str) -> tuple[Job, Inspection]:
    """The job and its tenant. Raises ``NotFoundError``, and ``InputError`` unless the job is completed."""
    job = queries.show_job(demo.database, job_id_of(job_id)).job
    if job.status != "completed":
        message = f"job {job.id} is {job.status}; only a completed one has something to show"
        raise InputError(message, [Problem(code="not_completed", field="job_id", message=message)])
    now = inspect(demo.database, demo.settings, job.slug)
    if now.tenant_id != job.tenant_id:
        # The pages show the present tenant of the slug; the rows of the job were deleted with its tenant.
        message = f"the tenant of job {job.id} was deleted; {job.slug} is another one now"
        raise InputError(message, [Problem(code="tenant_deleted", field="job_id", message=message)])
    return job, now


def main(job_ids: Sequence[str]) -> int:
    """Show the jobs; the exit code."""
    with warnings.catch_warnings():
        # That partitioned checks are a preview is known.
        warnings.simplefilter("ignore")
        missing = [job_id for job_id in job_ids if not _is_shown(job_id)]
    return 1 if missing else 0


def _is_shown(job_id: str) -> bool:
    try:
        with dg.DagsterInstance.get() as instance:
            result = show_job.execute_in_process(
                instance=instance,
                resources={"demo": DemoTenants()},
                tags={PROCESS_TAG: this_process()},
                run_config={**_QUIET, "ops": {"show": {"config": {"job_id": job_id}}}},
                raise_on_error=False,
            )
            reason = f"run {result.run_id} failed; its page says why"
            is_shown = result.success
    except Exception as error:  # noqa: BLE001 - the log is the only reader
        first_line = next(iter(str(error).strip().splitlines()), "")
        is_shown, reason = False, neutral(masked(f"{type(error).__name__}: {first_line}"))
    if not is_shown:
        sys.stderr.write(f"job {job_id} is not shown on the asset pages: {reason}\n")
    return is_shown


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
