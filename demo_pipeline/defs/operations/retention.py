"""The job and the schedule that delete old runs of Dagster, with their events, verdicts and captured output.

A run that an asset page still shows is kept, however old: deleting it would make its months unmaterialised.
The ledger of jobs and the audit log are in the CRM's database, and stay.
"""

from datetime import timedelta
from typing import Final

import dagster as dg
from pydantic import Field

from demo_pipeline.defs.shared.instance_storage import AssetHistoryStorage
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.defs.shared.run_failures import refusal_failure
from demo_pipeline.defs.shared.run_tags import KIND_TAG
from demo_pipeline.domain.core.errors import InputError
from demo_pipeline.storage.connection.clock import server_clock

_FINISHED: Final = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


class CleanConfig(dg.Config):
    """Which runs are deleted."""

    days: int = Field(ge=0, description="Runs that are finished and were created longer ago are deleted.")
    apply: bool = Field(
        default=False, description="Do it. Without it the run says how many there are, and deletes none."
    )


@dg.op(
    out=dg.Out(dg.Nothing),
    description="Find finished runs that are old and that no asset page shows; with `apply` delete them.",
)
def clean(context: dg.OpExecutionContext, config: CleanConfig, demo: DemoTenants) -> dg.Output[None]:
    """Run after run: what is deleted by an interrupted one stays deleted."""
    instance = context.instance
    storage = instance.event_log_storage
    if not isinstance(storage, AssetHistoryStorage):
        message = "Dagster's instance has another storage class; name ProjectStorage in its dagster.yaml"
        raise refusal_failure(InputError(message), None)
    with demo.database.admin(readonly=True) as conn:
        before = server_clock(conn) - timedelta(days=config.days)
    old = instance.get_runs(dg.RunsFilter(statuses=list(_FINISHED), created_before=before))
    shown = storage.shown_runs()
    due = [run.run_id for run in old if run.run_id not in shown]
    if config.apply:
        for run_id in due:
            instance.delete_run(run_id)
            storage.delete_verdicts(run_id)
            instance.compute_log_manager.delete_logs(prefix=[run_id])
    return dg.Output(
        None,
        metadata={
            "result": "deleted" if config.apply else "nothing was deleted yet: launch it with `apply: true`",
            "runs": len(due),
            "kept_for_the_asset_pages": len(old) - len(due),
        },
    )


@dg.job(
    tags={KIND_TAG: "clean"},
    config={"ops": {"clean": {"config": {"days": 90, "apply": False}}}},
    description="Delete runs that were finished and are older than some days, with their events. Runs that "
    "an asset page still shows are kept, so no month, verdict or failure changes. Jobs stay in the ledger.",
)
def clean_old_runs() -> None:
    """From all runs to the recent ones."""
    clean()


@dg.schedule(
    job=clean_old_runs,
    cron_schedule="15 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Deletes old runs every night, if `DEMO_RETENTION_DAYS` says from which age.",
)
def clean_every_night(demo: DemoTenants) -> dg.RunRequest | dg.SkipReason:
    """One run; none where the setting is absent."""
    days = demo.settings.retention_days
    if days is None:
        return dg.SkipReason("DEMO_RETENTION_DAYS is not set: runs are kept for good")
    return dg.RunRequest(run_config={"ops": {"clean": {"config": {"days": days, "apply": True}}}})
