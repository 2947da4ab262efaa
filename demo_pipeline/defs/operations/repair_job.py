"""The job that repairs a tenant's rows. What is wrong, and how it is repaired, is in ``services.repairs``."""

from collections.abc import Iterator
from typing import Any, Final

import dagster as dg
from pydantic import Field

from demo_pipeline.defs.asset_pages.job_ops import caller_of, failed_job, job_events, job_metadata
from demo_pipeline.defs.shared.interrupts import interrupts_end_the_job
from demo_pipeline.defs.shared.partitions import EXAMPLE_TENANT
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.defs.shared.run_tags import KIND_TAG, TenantTags
from demo_pipeline.domain.core.errors import DemoError, InterruptedJobError
from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.domain.core.wording import counted
from demo_pipeline.rendering.repair_tables import plan_table
from demo_pipeline.rendering.table import markdown
from demo_pipeline.services.repairs.repair import Repaired
from demo_pipeline.services.repairs.repair import repair as repair_rows

JOB: Final = "repair_tenant"


class RepairConfig(dg.Config):
    """Which tenant to repair, and whether to do it."""

    tenant: str = Field(description="The demo tenant, by its slug.")
    apply: bool = Field(
        default=False, description="Do it. Without it the run shows what would be done, and changes nothing."
    )
    restore_stages: bool = Field(
        default=False,
        description="Also set stages that people changed to won, lost or open again, where deals contradict "
        "them.",
    )


@dg.op(
    out=dg.Out(dg.Nothing),
    description="Find what is wrong with the rows of a tenant; with `apply` repair them in one transaction, "
    "and show the months that it touched.",
)
def repair(context: dg.OpExecutionContext, config: RepairConfig, demo: DemoTenants) -> Iterator[Any]:
    """One repair of one tenant; a dry run unless ``apply`` is set."""
    tags = TenantTags(context, demo, [config.tenant])
    try:
        with interrupts_end_the_job():
            done = repair_rows(
                demo.database,
                demo.settings,
                config.tenant,
                caller_of(context, tags, config.tenant),
                is_dry=not config.apply,
                with_stages=config.restore_stages,
            )
    except InterruptedJobError:
        raise
    except DemoError as error:
        raise failed_job(context, demo, tags, config.tenant, error) from None
    if done.report is not None:
        tags.add_report(done.report)
        yield from job_events(context, demo, done.report)
    yield dg.Output(None, metadata=_metadata(done))


@dg.job(
    name=JOB,
    tags={KIND_TAG: JobKind.REPAIR.value},
    config={
        "ops": {"repair": {"config": {"tenant": EXAMPLE_TENANT, "apply": False, "restore_stages": False}}}
    },
    description="Show what is wrong with a tenant's rows, and with `apply` repair them: orphans, broken life "
    "cycles, rows of no completed job and copies are soft-deleted by one job, which `undo_job` takes "
    "back.\n\nRows that people made or edited are never touched. What is missing then, `materialise_tenants` "
    "makes.",
)
def repair_tenant_job() -> None:
    """From wrong rows to a repaired tenant."""
    repair()


def _metadata(done: Repaired) -> dict[str, Any]:
    table = plan_table(done)
    if done.report is not None or done.deleted_elsewhere or done.restored_stages:
        result = "repaired"
    elif not table.rows:
        result = "there is nothing to repair"
    else:
        result = "nothing was done yet: launch it with `apply: true`"
    remarks = "\n".join(f"- {line}" for line in _remarks(done))
    return {
        "result": result,
        **({"repairs": dg.MetadataValue.md(markdown(table))} if table.rows else {}),
        **({"remarks": dg.MetadataValue.md(remarks)} if remarks else {}),
        **({} if done.report is None else job_metadata(done.report)),
    }


def _remarks(done: Repaired) -> list[str]:
    """What stays as it is, and what is to be done next."""
    plan = done.plan
    lines = [
        f"{len(group.ids):,} {group.table} that {group.reason} stay: people edited them, or rows that depend "
        "on them"
        for group in plan.kept
    ]
    if not done.with_stages:
        lines += [
            f"no deal is deleted because of stage {stage.name!r}: set it to {stage.outcome} in the CRM, or "
            "set `restore_stages`"
            for stage in plan.stages
        ]
    if plan.short:
        months = ", ".join(map(str, plan.short))
        lines.append(
            f"{counted(len(plan.short), 'month')} with less than what is expected then ({months}): "
            "`materialise_tenants` makes up for it"
        )
    return lines
