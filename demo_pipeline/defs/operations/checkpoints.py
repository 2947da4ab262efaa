"""The jobs that take a checkpoint of a tenant and go back to one, and the schedules around them.

What is stored, and how it is put back, is in ``services.checkpoints``.
"""

from collections.abc import Iterator
from typing import Any, Final

import dagster as dg
from pydantic import Field

from demo_pipeline.defs.asset_pages.job_ops import caller_of, failed_job, job_events, job_metadata
from demo_pipeline.defs.shared.interrupts import interrupts_end_the_job
from demo_pipeline.defs.shared.partitions import EXAMPLE_TENANT
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.defs.shared.run_tags import KIND_TAG, TENANT_TAG, TenantTags
from demo_pipeline.domain.core.errors import DemoError, InputError, InterruptedJobError, Problem
from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.rendering.checkpoint_tables import (
    CHECKPOINT_COLUMNS,
    changes_table,
    figures_table,
    jobs_line,
)
from demo_pipeline.rendering.table import Table, markdown
from demo_pipeline.services.checkpoints import checkpoint as service
from demo_pipeline.services.checkpoints.rewind import RewindPreview, changes_of, preview_rewind
from demo_pipeline.services.checkpoints.rewind import rewind_tenant as rewind_rows
from demo_pipeline.services.jobs.report import JobReport
from demo_pipeline.services.tenants.queries import list_tenants

CHECKPOINT_JOB: Final = "checkpoint_tenant"
REWIND_JOB: Final = "rewind_tenant"
_NAME: Final = "before-demo"


class CheckpointConfig(dg.Config):
    """Of which tenant a checkpoint is taken, and its name."""

    tenant: str = Field(description="The demo tenant, by its slug.")
    name: str | None = Field(
        default=None,
        description="Up to 40 small letters, digits and . _ -; without it the checkpoint is automatic: "
        "the newest five of those stay.",
    )
    replace: bool = Field(default=False, description="Take it anew where there is one of that name.")
    delete: bool = Field(default=False, description="Delete the one of that name instead.")


class RewindConfig(dg.Config):
    """To which checkpoint a tenant goes back, and whether to do it."""

    tenant: str = Field(description="The demo tenant, by its slug.")
    name: str = Field(description="The checkpoint, as `demo-pipeline checkpoints` shows it.")
    apply: bool = Field(
        default=False, description="Do it. Without it the run shows what would change, and changes nothing."
    )


@dg.op(out=dg.Out(dg.Nothing), description="Store all rows of the tenant under a name, in one transaction.")
def checkpoint(
    context: dg.OpExecutionContext, config: CheckpointConfig, demo: DemoTenants
) -> dg.Output[None]:
    """One checkpoint of one tenant, taken or deleted."""
    tags = TenantTags(context, demo, [config.tenant])
    caller = caller_of(context, tags, config.tenant)
    try:
        if config.name is None and (config.delete or config.replace):
            message = "delete and replace need the name of a checkpoint; give it, or leave them out"
            raise InputError(message, [Problem(code="no_name", field="name", message=message)])
        with interrupts_end_the_job():
            report: JobReport | None
            if config.name is None:
                report = service.take_automatic(demo.database, demo.settings, config.tenant, caller)
            elif config.delete:
                report = service.delete_checkpoint(
                    demo.database, demo.settings, config.tenant, config.name, caller=caller
                )
            else:
                report = service.take_checkpoint(
                    demo.database,
                    demo.settings,
                    config.tenant,
                    config.name,
                    replaces=config.replace,
                    caller=caller,
                )
        there = service.list_checkpoints(demo.database, demo.settings, config.tenant)
    except InterruptedJobError:
        raise
    except DemoError as error:
        raise failed_job(context, demo, tags, config.tenant, error) from None
    if report is not None:
        tags.add_report(report)
    shown = {"checkpoints": dg.MetadataValue.md(markdown(Table(CHECKPOINT_COLUMNS, there)))} if there else {}
    result = "the tenant has no month yet" if report is None else "deleted" if config.delete else "taken"
    return dg.Output(None, metadata={"result": result, **shown})


@dg.job(
    name=CHECKPOINT_JOB,
    tags={KIND_TAG: JobKind.CHECKPOINT.value},
    config={
        "ops": {
            "checkpoint": {
                "config": {"tenant": EXAMPLE_TENANT, "name": _NAME, "replace": False, "delete": False}
            }
        }
    },
    description="Remember all that a tenant is now, under a name, so that `rewind_tenant` can go back to it; "
    "or delete what is remembered.\n\nAt most five by name, each for 30 days. Without a `name` it is an "
    "automatic one, of which the newest five stay.",
)
def checkpoint_tenant() -> None:
    """From a tenant's rows to a checkpoint."""
    checkpoint()


@dg.op(
    out=dg.Out(dg.Nothing),
    description="Compare the tenant with its checkpoint; with `apply` make everything as it was in one "
    "transaction, and show the months that it touched.",
)
def rewind(context: dg.OpExecutionContext, config: RewindConfig, demo: DemoTenants) -> Iterator[Any]:
    """One rewind of one tenant; a preview unless ``apply`` is set."""
    tags = TenantTags(context, demo, [config.tenant])
    try:
        with interrupts_end_the_job():
            if not config.apply:
                preview = preview_rewind(demo.database, demo.settings, config.tenant, config.name)
                yield dg.Output(None, metadata=_preview_metadata(preview))
                return
            caller = caller_of(context, tags, config.tenant)
            report = rewind_rows(demo.database, demo.settings, config.tenant, config.name, caller=caller)
    except InterruptedJobError:
        raise
    except DemoError as error:
        raise failed_job(context, demo, tags, config.tenant, error) from None
    tags.add_report(report)
    yield from job_events(context, demo, report)
    changes = changes_of(demo.database, report.job_id)
    shown = {"rows": dg.MetadataValue.md(markdown(changes_table("", changes)))} if changes.total else {}
    yield dg.Output(None, metadata={"result": "as it was", **shown, **job_metadata(report)})


@dg.job(
    name=REWIND_JOB,
    tags={KIND_TAG: JobKind.REWIND.value},
    config={"ops": {"rewind": {"config": {"tenant": EXAMPLE_TENANT, "name": _NAME, "apply": False}}}},
    description="Show what has changed in a tenant since a checkpoint, and with `apply` make everything as "
    "it was then, whatever people and jobs did.\n\nOne job, all or nothing, which `undo_job` takes back for "
    "30 days.",
)
def rewind_tenant() -> None:
    """From a tenant that people worked in to what it was."""
    rewind()


def _preview_metadata(preview: RewindPreview) -> dict[str, Any]:
    figures = figures_table(preview)
    tables: dict[str, Table[Any]] = {"rows": changes_table("", preview.rows), "figures": figures}
    return {
        "result": "nothing was done yet: launch it with `apply: true`",
        **{name: dg.MetadataValue.md(markdown(table)) for name, table in tables.items() if table.rows},
        **({"jobs": line} if (line := jobs_line(preview)) else {}),
    }


@dg.schedule(
    job=checkpoint_tenant,
    cron_schedule="45 4 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Takes an automatic checkpoint of every tenant that has months, before the day's first demo. "
    "The newest five of a tenant stay, for 30 days.",
)
def checkpoint_every_morning(
    context: dg.ScheduleEvaluationContext, demo: DemoTenants
) -> list[dg.RunRequest] | dg.SkipReason:
    """One run a tenant."""
    tick = f"{context.scheduled_execution_time:%Y-%m-%d}"
    slugs = [one.slug for one in list_tenants(demo.database) if one.loaded_month_count]
    if not slugs:
        return dg.SkipReason("no tenant has a month yet")
    return [
        dg.RunRequest(
            run_key=f"checkpoint {slug} {tick}",
            run_config={"ops": {"checkpoint": {"config": {"tenant": slug}}}},
            tags={TENANT_TAG: slug},
        )
        for slug in slugs
    ]


@dg.op(
    out=dg.Out(dg.Nothing),
    description="Delete what has expired.",
)
def drop_expired(demo: DemoTenants) -> dg.Output[None]:
    """Those of all tenants."""
    return dg.Output(None, metadata={"deleted": service.drop_expired(demo.database)})


@dg.job(
    tags={KIND_TAG: "clean"},
    description="Delete the checkpoints, and what rewinds kept for their undo, whose 30 days are over.",
)
def drop_expired_checkpoints() -> None:
    """From all checkpoints to those that can be gone back to."""
    drop_expired()


@dg.schedule(
    job=drop_expired_checkpoints,
    cron_schedule="30 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Deletes checkpoints, and what rewinds kept for their undo, whose 30 days are over.",
)
def drop_expired_every_night(demo: DemoTenants) -> dg.RunRequest | dg.SkipReason:
    """One run; none where nothing has expired."""
    if not service.count_expired(demo.database):
        return dg.SkipReason("no checkpoint has expired")
    return dg.RunRequest()
